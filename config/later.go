package config

// later are the keys which come with a later version, each with what says that
// it is off. Whoever sets one to anything else is told, for nothing would come
// of it. A key without an off value can only be left out.
var later = map[string][]string{}
