"""The Apprentice: what turns a SPEC into code in a workspace."""
