"""Csordás et al. 2021: do networks specialise, and do they reuse weights?"""
