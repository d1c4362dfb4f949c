"""The rules of review: verdicts, ledger, queue, rounds."""
