"""The names that the courses' notebooks import, and what they must do."""
