# Plain student: the base line, without a teacher, with the data and the schedule of the others.
