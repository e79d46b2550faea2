"""From a pupil's number to a pseudonym that only the school could have asked for, and the life of its keys."""
