// The filters of Nessie's clients: the part of the Common Expression Language that its tools write.

import Catalogs
import Diagnostics
import Foundation

/// Times as the API writes them.
enum NessieTime {
    /// Microseconds since 1970 as an instant of ISO 8601.
    static func text(_ microseconds: Int64) -> String {
        let seconds = microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000
        let fraction = String(microseconds - seconds * 1_000_000)
        let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
        return whole.dropLast() + "." + String(repeating: "0", count: 6 - fraction.count) + fraction + "Z"
    }

    static func microseconds(_ text: String) -> Int64? {
        let formatter = ISO8601DateFormatter()
        for options: ISO8601DateFormatter.Options in [
            [.withInternetDateTime, .withFractionalSeconds], [.withInternetDateTime],
        ] {
            formatter.formatOptions = options
            if let date = formatter.date(from: text) {
                return Int64((date.timeIntervalSince1970 * 1_000_000).rounded())
            }
        }
        return nil
    }
}

/// A filter expression: `||`, `&&`, `!`, parentheses, comparisons with text, `in [...]`, `startsWith` and `timestamp`.
struct NessieFilter {
    private enum Token: Equatable {
        case name(String)
        case text(String)
        case sign(String)
    }

    private indirect enum Condition {
        case all([Condition])
        case any([Condition])
        case not(Condition)
        case compare(name: String, sign: String, values: [String], isTime: Bool)
    }

    private let condition: Condition?
    private static let textMax = 10_000
    private static let depthMax = 50

    init(_ text: String?) throws(SQLError) {
        guard let text, !text.isEmpty else {
            condition = nil
            return
        }
        guard text.utf8.count <= NessieFilter.textMax else {
            throw SQLError(.invalidParameterValue, "the filter is too long")
        }
        var parser = Parser(tokens: try NessieFilter.tokens(text))
        condition = try parser.any(0)
        guard parser.tokens.isEmpty else { throw NessieFilter.refused() }
    }

    var isEmpty: Bool { condition == nil }

    func takes(commit: CommitInfo) throws(SQLError) -> Bool {
        try takes { name in
            switch name {
            case "commit.author", "commit.committer": commit.author
            case "commit.message": commit.message
            case "commit.commitTime", "commit.authorTime": NessieTime.text(commit.committedAt)
            case "commit.hash": commit.id.hex
            default: nil
            }
        }
    }

    func takes(entry key: NessieKey, _ type: String) throws(SQLError) -> Bool {
        try takes { name in
            switch name {
            case "entry.contentType": type
            case "entry.namespace": key.elements.dropLast().joined(separator: ".")
            case "entry.name": key.elements.last
            case "entry.key", "entry.encodedKey": key.elements.joined(separator: ".")
            default: nil
            }
        }
    }

    private func takes(_ value: (String) -> String?) throws(SQLError) -> Bool {
        try condition.map { (condition) throws(SQLError) in try NessieFilter.holds(condition, value) } ?? true
    }

    private static func refused() -> SQLError {
        SQLError(.invalidParameterValue, "the filter is of a form that is not supported")
    }

    private static func holds(_ condition: Condition, _ value: (String) -> String?) throws(SQLError) -> Bool {
        switch condition {
        case .all(let parts):
            for part in parts where try !holds(part, value) { return false }
            return true
        case .any(let parts):
            for part in parts where try holds(part, value) { return true }
            return false
        case .not(let part): return try !holds(part, value)
        case .compare(let name, let sign, let values, let isTime):
            guard let actual = value(name) else { throw refused() }
            if sign == "in" { return values.contains(actual) }
            guard let wanted = values.first else { return false }
            if sign == "startsWith" { return actual.hasPrefix(wanted) }
            if sign == "endsWith" { return actual.hasSuffix(wanted) }
            if isTime {
                guard let left = NessieTime.microseconds(actual), let right = NessieTime.microseconds(wanted) else {
                    throw refused()
                }
                return compare(left, right, sign)
            }
            return compare(actual, wanted, sign)
        }
    }

    private static func compare<T: Comparable>(_ left: T, _ right: T, _ sign: String) -> Bool {
        switch sign {
        case "==": left == right
        case "!=": left != right
        case "<": left < right
        case "<=": left <= right
        case ">": left > right
        default: left >= right
        }
    }

    private static func tokens(_ text: String) throws(SQLError) -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        while let first = rest.first {
            if first.isWhitespace {
                rest = rest.dropFirst()
            } else if first == "'" || first == "\"" {
                let body = rest.dropFirst()
                guard let end = body.firstIndex(of: first) else { throw refused() }
                tokens.append(.text(String(body[..<end])))
                rest = body[body.index(after: end)...]
            } else if first.isLetter || first == "_" {
                let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
                tokens.append(.name(String(word)))
                rest = rest[word.endIndex...]
            } else {
                let double = String(rest.prefix(2))
                let sign = ["&&", "||", "==", "!=", "<=", ">="].contains(double) ? double : String(first)
                tokens.append(.sign(sign))
                rest = rest.dropFirst(sign.count)
            }
        }
        return tokens
    }

    private struct Parser {
        var tokens: [Token]

        mutating func take(_ sign: String) -> Bool {
            guard tokens.first == .sign(sign) else { return false }
            tokens.removeFirst()
            return true
        }

        private mutating func next() throws(SQLError) -> Token {
            guard !tokens.isEmpty else { throw NessieFilter.refused() }
            return tokens.removeFirst()
        }

        mutating func any(_ depth: Int) throws(SQLError) -> Condition {
            var parts = [try all(depth)]
            while take("||") { parts.append(try all(depth)) }
            return parts.count == 1 ? parts[0] : .any(parts)
        }

        private mutating func all(_ depth: Int) throws(SQLError) -> Condition {
            var parts = [try single(depth)]
            while take("&&") { parts.append(try single(depth)) }
            return parts.count == 1 ? parts[0] : .all(parts)
        }

        private mutating func single(_ depth: Int) throws(SQLError) -> Condition {
            guard depth < NessieFilter.depthMax else { throw NessieFilter.refused() }
            if take("!") { return .not(try single(depth + 1)) }
            if take("(") {
                let inner = try any(depth + 1)
                guard take(")") else { throw NessieFilter.refused() }
                return inner
            }
            guard case .name(var name) = try next() else { throw NessieFilter.refused() }
            if name == "timestamp" {
                guard take("("), case .name(let inner) = try next(), take(")") else { throw NessieFilter.refused() }
                return try comparison(inner, isTime: true)
            }
            for method in ["startsWith", "endsWith"] where name.hasSuffix("." + method) && take("(") {
                name = String(name.dropLast(method.count + 1))
                guard case .text(let text) = try next(), take(")") else { throw NessieFilter.refused() }
                return .compare(name: name, sign: method, values: [text], isTime: false)
            }
            return try comparison(name, isTime: false)
        }

        private mutating func comparison(_ name: String, isTime: Bool) throws(SQLError) -> Condition {
            switch try next() {
            case .name("in"):
                guard take("[") else { throw NessieFilter.refused() }
                var values: [String] = []
                while !take("]") {
                    guard case .text(let text) = try next() else { throw NessieFilter.refused() }
                    values.append(text)
                    _ = take(",")
                }
                return .compare(name: name, sign: "in", values: values, isTime: false)
            case .sign(let sign) where ["==", "!=", "<", "<=", ">", ">="].contains(sign):
                var token = try next()
                if token == .name("timestamp") {
                    guard take("(") else { throw NessieFilter.refused() }
                    token = try next()
                    guard take(")") else { throw NessieFilter.refused() }
                }
                guard case .text(let text) = token else { throw NessieFilter.refused() }
                return .compare(name: name, sign: sign, values: [text], isTime: isTime)
            default: throw NessieFilter.refused()
            }
        }
    }
}
