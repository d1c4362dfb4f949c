"""What review came to: AUROC, yields, when to stop."""
