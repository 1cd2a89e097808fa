"""Texts of the reanalysis that do not depend on a table."""

TITLE = "Break It Down, read again"

LEAD = (
  "The result files that Lepori et al. published with “Break It Down” (2023,"
  " arXiv 2301.10884), from {searches} mask searches and {evaluations}"
  " evaluations: every figure and every test of their analysis, and what"
  " changes when its weak points are mended."
)

HOW_TO_READ = (
  "<b>D</b> is the accuracy on the test that only the mask's own subroutine"
  " solves minus that on the test that only the other one solves, both counted"
  " as at least chance (0.25). <b>D_sub</b> is D of the subnetwork that a mask"
  " keeps, <b>D_abl</b> is D of the network without it. Modular parts predict"
  " D_sub &gt; 0 and D_abl &lt; 0 for both subroutines.",
)

VERDICTS = (
  "The paper concludes that networks often implement subroutines in modular"
  " subnetworks. Its tests take one difference at a time (published: how many"
  " of the four predictions for both subroutines have p &lt; 0.05; in language"
  " one test covers the singular and the plural experiment). The rules of this"
  " library take all four together, want each to hold against untrained"
  " networks, told apart by seed, and stop where masks did not learn or"
  " ablated networks do nothing. Random masks of the same size, their other"
  " control, were not published."
)

CHANGES = (
  "Thirteen points, and two on the published sizes and on few networks. Every"
  " number is computed from the result table. Points that it cannot decide"
  " begin with a dash."
)

TABLES = (
  "{count} of the {released} tables that the release gave to its statistics are"
  " here as CSV files, with its columns, its order and its numbers of base"
  " networks: <code>analysis_data/</code> beside this page."
)

GROUP_CAPTION = (
  "Left: the published task-difference figure. Middle and right: the published"
  " accuracies of the subnetwork kept alone and of the network without it, not"
  " clamped (dotted: chance). One point per search; its shape is the number of"
  " the base network."
)

HEATMAPS = (
  "D of every search. Columns: base networks and mask tasks; rows: the three"
  " searches. Red is negative, blue positive. The published titles call the"
  " networks trained from scratch “Randomly Initialized Models”; these are not"
  " the random-init controls."
)

SIZES = (
  "Kept weights of every search in trained networks. Colours are first masked"
  " stages: only points of one colour can be compared as fractions."
)

TESTS = (
  "Ordinary least squares of D, clustered by base network (HC0 times"
  " G/(G\u22121)), p from the normal distribution (z) or the chi-squared"
  " distribution with one degree of freedom. (a): one kind of network, b0 is"
  " the mean D_sub and b0 + b1 the mean D_abl. (b): trained and untrained"
  " networks, Random and Random + Ablation:Random are untrained minus trained."
  " “Subnetwork” is the refit with the other kind of row as the base line. All"
  " numbers: <code>statistics.csv</code>."
)
