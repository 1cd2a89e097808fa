# Fits the published models with the published packages, for
# tests/studies/break_it_down/reanalysis/test_published_tests.py:
#
#   Rscript tests/golden/make_statistics_golden.R tests/golden/reanalysis
#
# The directory holds analysis_data.csv, the released tables of task
# differences one below the other (column `table` names them), and gets
# statistics.csv and statistics_versions.csv.
suppressMessages({library(sandwich); library(lmtest); library(car)})

directory <- commandArgs(trailingOnly = TRUE)[1]
all_tables <- read.csv(file.path(directory, "analysis_data.csv"))
found <- list()

# One row per test of one fit; `hypothesis` is tested beside the coefficients.
add <- function(table, task, model, coding, formula, rows, hypothesis) {
  fitted <- glm(formula, data = rows)
  covariance <- vcovCL(fitted, cluster = rows$cluster)
  each <- coeftest(fitted, vcov. = covariance)
  found[[length(found) + 1]] <<- data.frame(
    table, task, model, coding, term = rownames(each), estimate = each[, 1],
    standard_error = each[, 2], statistic = each[, 3], p = each[, 4],
    kind = "z")
  if (!is.null(hypothesis)) {
    joint <- linearHypothesis(fitted, hypothesis, vcov. = covariance)
    found[[length(found) + 1]] <<- data.frame(
      table, task, model, coding, term = hypothesis,
      estimate = attr(joint, "value")[1, 1],
      standard_error = sqrt(attr(joint, "vcov")[1, 1]),
      statistic = joint[2, "Chisq"], p = joint[2, "Pr(>Chisq)"],
      kind = "chi2")
  }
}

# Singular and plural language networks are different clusters.
clustered <- function(rows) {
  rows$cluster <- rows$Base_Model
  if (!all(is.na(rows$singular))) {
    plural <- rows[rows$singular == 0, ]
    rows$cluster <- rows$cluster +
      rows$singular * (1 + max(plural$Base_Model))
  }
  rows$Subnetwork <- 1 - rows$Ablation
  rows
}

by_table <- lapply(split(all_tables, all_tables$table), clustered)
for (name in names(by_table)) {
  for (task in sort(unique(by_table[[name]]$Task))) {
    rows <- by_table[[name]][by_table[[name]]$Task == task, ]
    add(name, task, "a", "Ablation", Performance ~ Ablation, rows,
        "(Intercept) + Ablation = 0")
    add(name, task, "a", "Subnetwork", Performance ~ Subnetwork, rows, NULL)
  }
  untrained <- sub("-scratch$", "-random_init", name)
  if (untrained == name || is.null(by_table[[untrained]])) next
  trained <- by_table[[name]]
  random <- by_table[[untrained]]
  trained$Random <- 0
  random$Random <- 1
  random$cluster <- random$cluster + 1 + max(trained$cluster)
  both <- rbind(trained, random)
  for (task in sort(unique(both$Task))) {
    rows <- both[both$Task == task, ]
    add(name, task, "b", "Ablation", Performance ~ Ablation * Random, rows,
        "Random + Ablation:Random = 0")
    add(name, task, "b", "Subnetwork", Performance ~ Subnetwork * Random,
        rows, NULL)
  }
}

result <- do.call(rbind, found)
for (column in c("estimate", "standard_error", "statistic", "p"))
  result[[column]] <- sprintf("%.15g", result[[column]])
write.csv(result, file.path(directory, "statistics.csv"), row.names = FALSE,
          quote = FALSE)
packages <- c("sandwich", "lmtest", "car")
versions <- c(as.character(getRversion()),
              sapply(packages, function(one) as.character(packageVersion(one))))
write.csv(data.frame(package = c("R", packages), version = versions),
          file.path(directory, "statistics_versions.csv"), row.names = FALSE,
          quote = FALSE)
