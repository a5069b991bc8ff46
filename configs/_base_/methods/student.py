# Plain student: the baseline, without a teacher, with the data and the schedule of the others.
