-- Which processes counted, as model servers name theirs: one that started anew may count more than it did before.
ALTER TABLE counter_readings ADD COLUMN last_servers text NOT NULL DEFAULT '';
