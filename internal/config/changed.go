package config

// Changed gives the paths of the keys whose values differ, in the order of the file. A list or a map is one key; where in
// its file a value stands makes no difference.
func Changed(before, after *Config) []string {
	var paths []string
	var walk func(b, a *node, path string)
	walk = func(b, a *node, path string) {
		if b.at != nil && b.yaml() != a.yaml() {
			paths = append(paths, path)
		}
		for i, k := range b.keys {
			walk(k, a.keys[i], join(path, k.name))
		}
	}
	walk(bind(before), bind(after), "")
	return paths
}

// bind gives the tree of keys that point into a copy of c.
func bind(c *Config) *node {
	copied, root := declare()
	*copied = *c // over the defaults
	return root
}
