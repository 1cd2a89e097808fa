"""The mask search on networks of four libraries; run one with python -m."""
