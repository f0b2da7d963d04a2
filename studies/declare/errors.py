"""What is wrong with a study."""


class StudyError(ValueError):
    """A study that cannot be run as it is written; the message names the key, its value and the valid ones."""
