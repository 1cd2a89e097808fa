"""Texts of the report that do not depend on a run."""

from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE

QUESTION = (
  "A network learned to find the odd one out of four {items}, which takes two"
  " skills at once. Does it hold a separate part for each skill, a subnetwork"
  " that could be lifted out, or does it solve the whole task as one"
  " inseparable pattern?"
)

HOW_TO_READ = (
  "<b>The idea.</b> Freeze the trained network. For one skill (“subroutine”),"
  " X, learn a <b>mask</b>: one yes/no switch per weight, chosen so that the"
  " weights left on solve X. The weights left on are the <b>subnetwork</b>;"
  " switching those off and all others on gives the <b>ablated network</b>. No"
  " weight is ever changed.",
  "<b>Two tests.</b> In the <i>X test</i> the odd one out breaks only X, in the"
  " <i>Y test</i> only the other skill, Y. So only a network that can do X"
  f" passes the X test. There are four items: guessing gives {CHANCE}.",
  "<b>Task difference D</b> = accuracy on the own (X) test minus accuracy on"
  f" the other (Y) test, with accuracies below {CHANCE} counted as {CHANCE}."
  " <b>D_sub</b> is D of the subnetwork, <b>D_abl</b> is D of the ablated"
  " network. If the network is made of parts, the subnetwork does X and not Y"
  " (D_sub &gt; 0), and without it the network does Y and not X"
  " (D_abl &lt; 0). Both lie between \u22120.75 and +0.75.",
  "<b>Controls.</b> <i>Never trained</i>: the same search on random weights."
  " It shows what a mask can build out of nothing; a large D_sub there means"
  " that D_sub alone proves nothing. <i>Random mask</i>: as many weights of"
  " every layer switched on, but at random, in the same network. It shows what"
  " mere damage does.",
)

CUTS = (
  "One mask cuts the network: what it keeps learns the first subroutine, and"
  " what it removes the second one. With enough steps nearly every network can"
  " be cut, so what counts is how soon: <b>separability</b> is the accuracy of"
  " the worse half, averaged over equally spaced looks of a short search; 0 is"
  " guessing, 1 both halves perfect from the first look on. It means something"
  " beside two controls only: the same search for nonsense properties (random"
  " bits of what the same items show) in the same network, and for the"
  " subroutines in the network before its training."
)

ERROR_RATES = (
  "Networks of known structure were made, cut in the same way, and judged in"
  " groups by this rule. They are small and their problems are simple; that"
  " the rule is as good elsewhere is an assumption. What they are, and which"
  " other statistics were tried, docs/results/planted.md says."
)

CAPTIONS = {
  "cuts": (
    "<b>How soon networks can be cut.</b> One line per search: accuracy of the"
    " worse half of the hard mask on validation problems. Dotted: guessing."
  ),
  "overview": (
    "<b>The method with this run's numbers.</b> Coloured edges are weights"
    " that are switched on. Bars: mean accuracy over all searches of working"
    " base networks, lines: standard deviation."
  ),
  "task_difference": (
    "<b>Task difference of every mask search.</b> One point per search; its"
    " shape tells the base network, its colour how that was trained. Points in"
    " the green areas are on the side that a network made of parts predicts."
    " Black bar: mean. Dashed: mean of the published runs with the same kind"
    " of training, where there are any (other networks and settings). Hollow"
    " points: the base network failed and does not count."
  ),
  "accuracy": (
    "<b>The accuracies behind the differences.</b> A network made of parts is"
    " high on the left and at chance on the right when the subnetwork is kept"
    " alone, and the other way round when it is removed. If both are at chance"
    " the network is simply broken, and a difference near zero says nothing."
  ),
  "density": (
    "<b>Where the subnetworks lie.</b> Fraction of the weights of each masked"
    " matrix that is switched on: mean and standard deviation over searches."
  ),
  "neurons": (
    "<b>Neurons that belong to one side</b>, in percent of the neurons of every"
    " matrix: mean and 95 % interval over base networks. Noise floor: the"
    " panels of nonsense properties, of two masks for one subroutine, and of"
    " networks that were never trained."
  ),
  "heads": (
    "<b>Whose the attention heads are.</b> Of the weights of a head that"
    " exactly one mask keeps, the share of the first mask (blue; of the second"
    " one: orange) less its share in the whole attention layer, in percentage"
    " points. Rows: base networks, whose heads have nothing to do with each"
    " other. A dot marks heads that belong to one mask. Noise floor: the panels"
    " of nonsense properties and of networks that were never trained; labels"
    " dealt at random would differ by the number after \u00b1 under “Every"
    " attention head”."
  ),
  "training": (
    "<b>Training of the base networks</b> on the whole task. Dotted: guessing."
  ),
  "searches": (
    "<b>Mask searches.</b> During the search switches are soft (between off"
    " and on) and harden slowly; the result is the hard mask at the end."
    " Accuracy on the mask's own subroutine (validation data) and fraction of"
    " weights kept; line: mean over candidates, band: 10th to 90th percentile."
  ),
}

SUMMARY = (
  "Mean \u00b1 standard deviation over mask searches. “Published”: the paper's"
  " release, same kind of training but other networks and settings,"
  " summarised by the same rules."
)

STATISTICS = (
  "Unit of replication is the base network; masks of one network are repeats,"
  " so each network counts once, by the mean of its masks. “p (t)” and the"
  " interval use a t distribution with G\u22121 degrees of freedom for G"
  " networks. A trained network and the untrained one of its base seed start"
  " from the same weights: they are a pair, and G is the number of pairs. Where"
  " fewer than two pairs are left, both groups are taken as independent, with"
  " the degrees of freedom of Welch and Satterthwaite. “p (signs)”"
  " is exact whatever the distribution, if it is symmetric: how many of the"
  " 2<sup>G</sup> ways to flip signs are as extreme; in brackets the smallest"
  " that G allows. The last column: the effect that so many networks, spread as"
  " they are here, find with 80 %."
)

PUBLISHED_STATISTICS = (
  "The published model, on all masks: ordinary least squares with standard"
  " errors clustered by base network (factor G/(G\u22121) for G networks of"
  " both groups) and a normal distribution. With few networks its p is far too"
  " small (docs/results/inference.md); nothing here rests on it."
)

OPTIMISTIC = (
  "<b>Caution:</b> the mask settings were chosen by the published rule, which"
  " prefers masks whose ablation hurts the own test, so D_abl of these networks"
  " is optimistic."
)

WHEREABOUTS = (
  "Every mask is a set of weights, so it can be asked where that set lies: how"
  " much two sets share, and whether whole matrices, attention heads or neurons"
  " belong to one of them. Only masks of one network are compared; the weights"
  " of two networks have nothing to do with each other. Networks that failed"
  " are left out, and every network counts once."
)

OVERLAP = (
  "Two masks that keep half of all weights share many by chance alone. So each"
  " number stands beside what random masks of the same sizes share, matrix by"
  " matrix, and the <b>excess</b> puts both on one scale: 0 as random masks, 1"
  " where one mask contains the other, below 0 where they avoid each other."
  " Two masks for the <i>same</i> subroutine from different mask seeds are the"
  " ceiling. The last column but one is the noise floor, by how much the excess"
  " of two random masks differs from 0. In brackets: 95 % intervals over base"
  " networks."
)

ANATOMY = (
  "A weight that both masks keep, or none of them, tells nothing about which of"
  " the two it serves. So of each unit (a matrix, an attention head, a neuron:"
  " one column of a matrix) only the weights are counted that exactly one of"
  " the two masks keeps. A unit <b>belongs</b> to one mask if at least two"
  " thirds of them are that mask's, at odds at least twice those in the"
  " surrounding matrices, in every pair of searches, and more than chance"
  " allows among so many units (exact test, 5 % false discoveries). The noise"
  " floor is the same question about things that have no place of their own:"
  " cuts between nonsense properties, two masks for one and the same"
  " subroutine, and networks that were never trained. Where there is one search"
  " of each, what is found has not been seen twice."
)
