"""What the tests share: a database and a Label Studio server of their own, digits, answers."""
