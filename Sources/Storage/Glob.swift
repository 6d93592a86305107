// File name patterns: `*` within a segment, `**` any depth, `?`, `[1-4]`, `[!1]`; `\` makes the next character plain.
// A pattern is a small automaton over the segments of a path, so that a walk knows which folders can lead to a match.

public import Diagnostics

/// A pattern for the paths of objects. A path without wildcards also stands for everything below it.
public struct Glob: Sendable, CustomStringConvertible {
    /// One part of the pattern, between slashes.
    public enum Segment: Sendable, Hashable {
        case literal(String)
        case pattern(SegmentPattern)
        /// `**`: any number of segments, also none.
        case anyDepth
    }

    /// The pattern as given.
    public let text: String
    /// The folder before the first wildcard; all matches are below it. Without wildcards, the path itself.
    public let literalPrefix: ObjectPath
    /// What follows the prefix; empty without wildcards.
    public let segments: [Segment]

    public init(_ text: String) throws(SQLError) {
        self.text = text
        let whole = try ObjectPath(text)
        let key = whole.key
        let wildcard = key.firstIndex { Glob.isSpecial($0) }
        // A slash at the end names a folder: everything below it.
        let isFolder = key.hasSuffix("/") && key != "/"
        guard let wildcard else {
            literalPrefix = isFolder ? whole.replacing(key: String(key.dropLast())) : whole
            segments = []
            return
        }
        let slash = key[..<wildcard].lastIndex(of: "/")
        let rest: Substring
        if let slash {
            literalPrefix = whole.replacing(key: slash == key.startIndex ? "/" : String(key[..<slash]))
            rest = key[key.index(after: slash)...]
        } else {
            literalPrefix = whole.replacing(key: "")
            rest = key[...]
        }
        var segments: [Segment] = []
        for part in rest.split(separator: "/", omittingEmptySubsequences: false) {
            let segment: Segment = part == "**" ? .anyDepth : try SegmentPattern.segment(part, of: text)
            // `**/**` says no more than `**`, and would only make the automaton larger.
            if segment == .anyDepth, segments.last == .anyDepth { continue }
            segments.append(segment)
        }
        if isFolder {
            segments.removeLast()
            if segments.last != .anyDepth { segments.append(.anyDepth) }
        }
        // Only objects match, and they have a name.
        if segments.last == .anyDepth { segments.append(.pattern(.any)) }
        self.segments = segments
    }

    init(text: String, literalPrefix: ObjectPath, segments: [Segment]) {
        self.text = text
        self.literalPrefix = literalPrefix
        self.segments = segments
    }

    public var description: String { text }

    /// Whether the pattern can match more than one name.
    public var hasWildcards: Bool { !segments.isEmpty }

    /// Whether text is a pattern rather than a plain path.
    public static func isPattern(_ text: String) -> Bool { text.contains { isSpecial($0) } }

    private static func isSpecial(_ character: Character) -> Bool {
        character == "*" || character == "?" || character == "[" || character == "\\"
    }

    /// Whether an object matches.
    public func matches(_ path: ObjectPath) -> Bool {
        if segments.isEmpty { return path == literalPrefix || path.relative(to: literalPrefix) != nil }
        guard let rest = path.relative(to: literalPrefix) else { return false }
        var states = start
        for part in rest.split(separator: "/", omittingEmptySubsequences: false) {
            states = step(states, part)
            if states.isEmpty { return false }
        }
        return states.last == segments.count
    }

    /// Whether an object below this folder could match.
    public func matchesFolderPrefix(_ folder: ObjectPath) -> Bool {
        if folder == literalPrefix || literalPrefix.relative(to: folder) != nil { return true }
        if segments.isEmpty { return folder.relative(to: literalPrefix) != nil }
        guard let rest = folder.relative(to: literalPrefix) else { return false }
        var states = start
        for part in rest.split(separator: "/", omittingEmptySubsequences: false) { states = step(states, part) }
        return canGoOn(states)
    }

    // MARK: The automaton. A state is the number of segments matched so far; sets of states are sorted.

    /// The states before the first segment.
    var start: [Int] { closed([0]) }

    /// The states after one more segment of a path.
    func step(_ states: [Int], _ part: Substring) -> [Int] {
        var next: [Int] = []
        for state in states where state < segments.count {
            switch segments[state] {
            case .anyDepth: next.append(state)
            case .literal(let name): if part == name { next.append(state + 1) }
            case .pattern(let pattern): if pattern.matches(part) { next.append(state + 1) }
            }
        }
        return closed(next)
    }

    /// Whether something below a folder in these states could match.
    func canGoOn(_ states: [Int]) -> Bool { states.contains { $0 < segments.count } }

    /// The only name a child can have in these states, if there is just one and it is a folder's.
    func onlyFolder(_ states: [Int]) -> String? {
        guard states.count == 1, let state = states.first, state + 1 < segments.count,
            case .literal(let name) = segments[state]
        else { return nil }
        return name
    }

    /// Adds the states that `**` reaches by matching nothing.
    private func closed(_ states: [Int]) -> [Int] {
        var all = Set(states)
        for state in states {
            var state = state
            while state < segments.count, segments[state] == .anyDepth {
                state += 1
                all.insert(state)
            }
        }
        return all.sorted()
    }
}

/// A pattern for one name.
public struct SegmentPattern: Sendable, Hashable {
    enum Token: Sendable, Hashable {
        case scalar(Unicode.Scalar)
        case one
        case many
        case oneOf([ClosedRange<Unicode.Scalar>], negated: Bool)

        func matches(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .scalar(let wanted): scalar == wanted
            case .one: true
            case .many: false
            case .oneOf(let ranges, let negated): ranges.contains { $0.contains(scalar) } != negated
            }
        }
    }
    let tokens: [Token]

    static let any = SegmentPattern(tokens: [.many])

    /// Reads one segment; `text` is the whole pattern, for errors.
    static func segment(_ part: Substring, of text: String) throws(SQLError) -> Glob.Segment {
        var tokens: [Token] = []
        var literal = String.UnicodeScalarView()
        var isLiteral = true
        var rest = part.unicodeScalars
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*":
                isLiteral = false
                if tokens.last != .many { tokens.append(.many) }
            case "?":
                isLiteral = false
                tokens.append(.one)
            case "[":
                isLiteral = false
                tokens.append(try set(&rest, of: text))
            case "\\":
                guard let next = rest.popFirst() else {
                    throw SQLError(.invalidParameterValue, "file pattern \"\(text)\" ends with an escape character")
                }
                tokens.append(.scalar(next))
                literal.append(next)
            default:
                tokens.append(.scalar(scalar))
                literal.append(scalar)
            }
        }
        return isLiteral ? .literal(String(literal)) : .pattern(SegmentPattern(tokens: tokens))
    }

    private static func set(_ rest: inout Substring.UnicodeScalarView, of text: String) throws(SQLError) -> Token {
        let negated = rest.first == "!" || rest.first == "^"
        if negated { rest.removeFirst() }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        var isFirst = true
        while let low = rest.popFirst() {
            // A bracket right at the start is a member, as in every shell.
            if low == "]", !isFirst { return .oneOf(ranges, negated: negated) }
            isFirst = false
            var ahead = rest
            if ahead.popFirst() == "-", let high = ahead.popFirst(), high != "]" {
                rest = ahead
                if low <= high { ranges.append(low...high) }
            } else {
                ranges.append(low...low)
            }
        }
        throw SQLError(.invalidParameterValue, "file pattern \"\(text)\" has an unclosed bracket")
    }

    /// Whether the whole name matches. Each `*` is tried again only until the next one, so the time is bounded
    /// by the product of the lengths.
    public func matches(_ name: Substring) -> Bool {
        let scalars = Array(name.unicodeScalars)
        var at = 0
        var token = 0
        var star: (token: Int, at: Int)?
        while at < scalars.count {
            if token < tokens.count, tokens[token] == .many {
                star = (token, at)
                token += 1
            } else if token < tokens.count, tokens[token].matches(scalars[at]) {
                token += 1
                at += 1
            } else if let last = star {
                star = (last.token, last.at + 1)
                token = last.token + 1
                at = last.at + 1
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { $0 == .many }
    }
}
