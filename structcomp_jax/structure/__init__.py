"""How far a network is made of parts: statistics, controls, and what follows.

It knows no paper: studies bring the tables.
"""
