// Names of declared keys: as they were given, or as PostgreSQL would make them.

/// Names of the keys that a table declares.
public enum DeclaredKeyNames {
    /// t_pkey, t_a_key, t_a_fkey, t_check, with numbers where they are taken.
    public static func names(of keys: [(text: String, name: String?)], table: String) -> [String] {
        var taken = Set(keys.compactMap(\.name))
        return keys.map { key in
            if let name = key.name { return name }
            let (kind, suffix) = kind(of: key.text)
            let columns = kind == "c" ? [] : columnLists(key.text).first ?? []
            let middle = kind == "p" || columns.isEmpty ? "" : columns.joined(separator: "_") + "_"
            let base = "\(table)_\(middle)\(suffix)"
            var name = base
            var more = 1
            while !taken.insert(name).inserted {
                name = base + String(more)
                more += 1
            }
            return name
        }
    }

    /// p, u, f or c, and how names of the kind end.
    public static func kind(of text: String) -> (kind: String, suffix: String) {
        let upper = text.uppercased()
        if upper.hasPrefix("PRIMARY") { return ("p", "pkey") }
        if upper.hasPrefix("UNIQUE") { return ("u", "key") }
        return upper.hasPrefix("FOREIGN") || upper.hasPrefix("REFERENCES") ? ("f", "fkey") : ("c", "check")
    }

    /// The names in each pair of parentheses.
    public static func columnLists(_ text: String) -> [[String]] {
        text.split(separator: "(").dropFirst().map { part in
            part.prefix { $0 != ")" }.split(separator: ",").map { item in
                var name = item
                while name.first == " " { name.removeFirst() }
                while name.last == " " { name.removeLast() }
                return name.hasPrefix("\"") ? name.filter { $0 != "\"" } : name.lowercased()
            }
        }
    }
}
