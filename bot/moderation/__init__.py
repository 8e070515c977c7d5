"""What a server allows: its rules as one document, and the decisions that follow from them. Values in, verdicts out; no clock, no database.

Only `endpoint` speaks to somebody: a moderations endpoint, where the operator set one.
"""
