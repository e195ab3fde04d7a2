package strictyaml

// Nearest returns the name that word was probably meant to be, "" if none is
// near. Of up to three letters one may be wrong, of more two, of many four.
func Nearest(word string, names []string) string {
	most := max(2, min(len(word)/4, 4))
	if len(word) <= 3 {
		most = 1
	}
	best, bestDistance := "", most+1
	for _, name := range names {
		if d := distance(word, name); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the letters to insert, remove, replace or swap with the next between
// a and b.
func distance(a, b string) int {
	d := make([][]int, len(a)+1) // of the first i letters of a and j of b
	for i := range d {
		d[i] = make([]int, len(b)+1)
		for j := range d[i] {
			switch {
			case i == 0 || j == 0:
				d[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				d[i][j] = d[i-1][j-1]
			default:
				d[i][j] = 1 + min(d[i-1][j-1], d[i-1][j], d[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], 1+d[i-2][j-2])
			}
		}
	}
	return d[len(a)][len(b)]
}
