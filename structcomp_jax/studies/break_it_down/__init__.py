"""Break It Down (Lepori, Serre & Pavlick 2023, arXiv 2301.10884)."""
