"""Texts of the report that do not depend on a run."""

from structcomp_jax.studies.are_nets_modular import mathematics
from structcomp_jax.studies.are_nets_modular.findings.evidence import SOLVED

DONE = (
  "A network was trained on a task that has several parts, and then frozen.",
  "For the whole task and for each part of it, a <b>mask</b> was learned: one"
  " yes/no switch per weight, such that the weights left on do that part, while"
  " a small penalty switches off what is not needed.",
  "Masks that are compared come from the same network, and from searches with"
  " the same settings.",
  "Tested were the network under every mask, and under its <b>inverse</b>,"
  " which switches off what the mask keeps.",
  "The <b>control mask</b>, which learned the whole task, shows what the search"
  " and the penalty cost by themselves: a mask of a part is compared with it,"
  " not with the whole network.",
)

TASKS = {
  "add_mul": "The network reads two numbers from 0 to 99 and an operation, and"
  " answers the last two digits of the sum or of the product. The parts are the"
  " two operations. There are only 20,000 problems. In the published division"
  " training holds all of them, so nothing is about generalisation; under the"
  " policy “disjoint” it holds none that are tested. A random answer is right"
  " in 1 % of all cases; of products, the answer 00 is right in 5 %.",
  "double_addition": "The network reads two pairs of numbers from 0 to 99 and"
  " answers the last two digits of both sums. Both pairs need the same"
  " function, so one set of weights could do both; each pair has inputs and"
  " outputs of its own. A random answer is right in 1 % of all cases.",
  "scan": "The network translates commands such as “jump twice and turn left”"
  " into sequences of actions; it has learned commands of all kinds. Masks of"
  " splits learn without some of them: “jump” in new commands, long ones, or"
  " “turn left” in new commands. If the weights for what was left out were the"
  " same as for the rest, the mask would keep them.",
  "cifar10": "The network tells ten classes of pictures apart. Masks of classes"
  " learn without the pictures of one class, or from those of two classes"
  " alone, and are tested on all. A random answer is right in 10 % of all"
  " cases.",
  **dict.fromkeys(
    mathematics.EXPERIMENTS,
    "The network reads a question of DeepMind Mathematics, character by"
    " character, and writes the answer; all of it must be right. It has learned"
    " questions of several levels. A mask learns with the easy ones alone. If"
    " the weights for harder ones were the same, the mask would keep them.",
  ),
}

CAPTIONS = {
  "removal": (
    "<b>What a mask loses that learned without a class.</b> Relative drop:"
    " share of the accuracy under the control mask that is lost. If a class has"
    " weights of its own, its bar is high and that of every other class low."
    " Noise floor: the black lines, the largest drop of any class between two"
    " control masks that differ in their seed alone (none without a second mask"
    " seed). The published figure of other / target has an axis from 0 to 10 %."
  ),
  "confusion_change": (
    "<b>Which answers change.</b> Answers under the mask without a class, minus"
    " those under the control mask, in points of the pictures of a class; blue:"
    " given less often. Rows: true class; columns: answer, in the same order."
    " Mean over networks and mask seeds."
  ),
  "stability": (
    "<b>Two masks of the same two classes.</b> IoU over all masked weights; a"
    " point for every two masks, lines: means. Noise floor: random masks with"
    " as many weights in every leaf, and masks of different classes."
  ),
  "gradients": (
    "<b>Gradients under a mask.</b> Cosine of the gradient of the masked"
    " network and that of the whole one, in the weights that are kept, over all"
    " validation pictures; masked are the output, the stage below it, and so"
    " on. With none masked it is 1. Noise floor: random masks with as many"
    " weights in every leaf. Thin lines: networks."
  ),
  "accuracy": (
    "<b>What masks keep and what is left without them.</b> Bars: mean over base"
    " networks; points: the networks. If a part of the task has weights of its"
    " own, its mask does that part and not the other, and without these weights"
    " it is the other way round. Noise floor: the black lines, random masks"
    " with as many weights in every leaf, and their inverses. The control mask"
    f" must solve everything (at least {SOLVED:.0%}); networks where it does"
    " not are shown, and count in no verdict."
  ),
  "overlap": (
    "<b>What the masks of different parts share, leaf by leaf.</b> IoU: shared"
    " weights divided by those that either mask keeps. IoMin: divided by the"
    " smaller mask, 1 where one contains the other. Noise floor: the black"
    " lines, what random masks of the same sizes share. Ceiling: the diamonds,"
    " two masks of the same part that differ in their seed alone; without a"
    " second mask seed there are none. Where a leaf is the first or the last of"
    " double addition, nothing can be shared."
  ),
  "score": (
    "<b>Reuse score of every network:</b> where the overlap lies between random"
    " masks (0) and two masks of the same part (1). Black bars: means. Left of"
    " the white region it is nearer to random masks, right of it nearer to the"
    " same part. Noise floor: the score of random masks spreads around 0 by the"
    " number in the table; untrained networks show what the search alone does."
  ),
  "half": (
    "<b>Where the control mask cuts.</b> Accuracy lost if only one half of the"
    " leaves has the control mask and the others are whole, against the whole"
    " control mask; lines: standard deviation between networks. Zero is the"
    " control mask itself; below zero, cutting less is better."
  ),
  "confusion": (
    "<b>What is answered under every mask, whatever is asked for.</b> A mask of"
    " one operation that answers with it when asked for the other has lost the"
    " other operation, not the numbers. Noise floor: a random answer is the sum"
    " or the product in 1 % of all cases, 00 is the product in 5 %; 40 of the"
    " 10,000 pairs of numbers have a sum that is also the product."
  ),
  "sensitivity": (
    "<b>How much the penalty decides.</b> Left: what it costs the control mask."
    " Right: how much of the first part's weights the other part's mask has,"
    " too. Mean and standard deviation between networks. A share that changes"
    " with the penalty is no property of the network alone."
  ),
  "left_out": (
    "<b>Commands that a split leaves out.</b> The mask of the split has learned"
    " without them, the control mask with them. What the first does worse than"
    " the second is lost by the mask alone: the network can do it. Noise floor:"
    " the points, how far networks lie apart, and the drop on all commands in"
    " the verdict."
  ),
  "levels": (
    "<b>Questions of every level.</b> The mask of easy questions has learned"
    " with those alone, the control mask with all. What the first does worse on"
    " harder questions than the second, beyond what it does worse on easy ones,"
    " is lost by the mask alone. Noise floor: the points, how far networks lie"
    " apart, and the drop on easy questions."
  ),
  "output": (
    "<b>Weights lost per output.</b> Of the weights that lead to an output and"
    " that the control mask keeps, the share that a split's mask has not. Noise"
    " floor: the outputs that the split does not concern."
  ),
  "density": (
    "<b>Where the masks lie.</b> Fraction of the weights of each leaf that is"
    " kept: mean and standard deviation over masks."
  ),
  "histogram": (
    "<b>How sure the masks are.</b> Share of all masked weights by the"
    " probability to keep them, in 500 bins, over all masks; on the left"
    " without the first bin, which holds most of them. A mask is decided"
    " where nothing lies near the dotted line."
  ),
  "training": "<b>Training of the base networks</b> on the whole task.",
  "searches": (
    "<b>Mask searches.</b> Accuracy on the mask's own part with a sampled"
    " (soft) and with the final (hard) mask, and the fraction of weights kept;"
    " line: mean over masks, band: 10th to 90th percentile."
  ),
}

SHARING = (
  "Over leaves. “Share of the weights of A that B has, too” divides by A's own"
  " weights, as in the published figures; dividing by the weights of either is"
  " the IoU, as in the published logs. In brackets: the same of random masks of"
  " the same sizes. \u00b1: standard deviation between networks."
)
EXCLUSIONS = (
  "Percent, mean \u00b1 standard deviation between networks. “Ends: control”:"
  " the inverse mask, but the first and the last leaf have the control mask, so"
  " that what enters and leaves is not cut; “ends: all”: these leaves have no"
  " mask."
)
STATISTICS = (
  "<b>What batch norms use under a mask.</b> Running statistics are those of"
  " the whole network. Recalibrated ones are measured under each mask, in 20"
  " batches of training pictures of all classes. Mean \u00b1 standard deviation"
  " between networks."
)
REMAINING = (
  "Share of the weights of the control mask that the mask of a part has, too;"
  " masks of the same seed are compared."
)
COUNTS = "Weights kept; mean \u00b1 standard deviation between networks."
