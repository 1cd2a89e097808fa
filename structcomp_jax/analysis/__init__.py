"""From a work directory to statistics, figures and a report page."""
