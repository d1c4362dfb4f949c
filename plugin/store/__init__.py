"""Everything FiftyOne's database sees: fields, tags, views, runs, vectors."""
