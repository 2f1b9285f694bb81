"""What you see in Dagster, by stage. Belongs here: assets, checks, jobs, sensors, schedules, and how runs are recorded.
Does not belong here: any rule about files, numbers or privacy; those live in the packages that these modules call."""
