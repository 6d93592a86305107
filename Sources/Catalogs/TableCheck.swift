// CHECK constraints of tables, as their properties keep them.

/// A CHECK constraint of a table, as its property keeps it.
public struct TableCheck: Sendable, Hashable {
    public var name: String
    /// The condition.
    public var text: String

    public init(name: String, text: String) {
        self.name = name
        self.text = text
    }

    /// Reads `CONSTRAINT "name" CHECK (condition)`.
    public init?(_ property: String) {
        let head = "CONSTRAINT \""
        guard property.hasPrefix(head), property.hasSuffix(")") else { return nil }
        let rest = property.dropFirst(head.count)
        // The name ends at a quote that is not doubled.
        var end = rest.startIndex
        var made = ""
        while end < rest.endIndex {
            let next = rest.index(after: end)
            if rest[end] == "\"" {
                guard next < rest.endIndex, rest[next] == "\"" else { break }
                end = next
            }
            made.append(rest[end])
            end = rest.index(after: end)
        }
        let middle = "\" CHECK ("
        guard rest[end...].hasPrefix(middle) else { return nil }
        name = made
        text = String(rest[end...].dropFirst(middle.count).dropLast())
    }

    public var property: String {
        "CONSTRAINT \"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
            + "\" CHECK (\(text))"
    }

    /// All of a table, in their order.
    public static func all(of properties: [String: String]) -> [TableCheck] {
        var checks: [TableCheck] = []
        while let text = properties[TableProperty.check(checks.count + 1)], let check = TableCheck(text) {
            checks.append(check)
        }
        return checks
    }
}
