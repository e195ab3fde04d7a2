package connlimit

// Share returns how many connections a listener may hold if so many are wanted and
// the process may have the given number of descriptors open, of which it needs own
// itself. It is never less than half of what there is: a process that is short of
// descriptors still has callers to answer.
func Share(wanted, descriptors, own int) int {
	return min(wanted, max(descriptors/2, descriptors-own))
}
