"""Seeded faults: does the suite notice a wrong constant, sign, index or bound?"""
