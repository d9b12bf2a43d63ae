"""Neighbor tables and predictions -> figures: per query, as averages, and what chance would
give.
"""
