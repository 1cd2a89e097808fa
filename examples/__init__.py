"""The mask search on networks of many libraries; run one with python -m."""
