"""The commands of ``turnout``, one file per group; what a command needs is imported when it runs."""
