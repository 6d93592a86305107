// Recorded conversations: the text form that Tests/ServerTests/record.py writes from a real PostgreSQL.

/// One file of Queries/protocol: what is sent, and what must come back.
struct Conversation: Sendable {
    struct Turn: Sendable {
        var line: Int
        var words: [String]
        /// Expected lines; empty for messages whose answers come later.
        var answers: [String] = []
        var isRead: Bool { ["Startup", "Login", "Query", "Sync", "Raw"].contains(words[0]) }
    }

    var turns: [Turn] = []

    init(_ text: String) {
        var replaces = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("F ") {
                turns.append(Turn(line: index + 1, words: Self.words(line.dropFirst(2))))
            } else if line.hasPrefix("B "), let last = turns.indices.last {
                turns[last].answers.append(String(line.dropFirst(2)))
                replaces = true
            } else if line.hasPrefix("A"), let last = turns.indices.last {
                // What we say instead of the line before; nothing at all when the line is bare.
                if replaces { turns[last].answers.removeLast() }
                replaces = false
                if line.count > 2 { turns[last].answers.append(String(line.dropFirst(2))) }
            }
        }
    }

    /// Words of a line; a word may hold "quoted parts".
    private static func words(_ line: Substring) -> [String] {
        var words: [String] = []
        var word: String?
        var isQuoted = false
        var isEscaped = false
        for character in line {
            if isEscaped {
                word = (word ?? "") + (character == "n" ? "\n" : character == "t" ? "\t" : String(character))
                isEscaped = false
            } else if isQuoted, character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                word = word ?? ""
            } else if character == " ", !isQuoted {
                if let complete = word { words.append(complete) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let complete = word { words.append(complete) }
        return words
    }

    // MARK: To the server

    /// The bytes of an F line.
    static func bytes(_ words: [String]) -> [UInt8] {
        let rest = Array(words.dropFirst())
        let first = rest.first ?? ""
        switch words[0] {
        case "Login": return bytes(["Startup", "user=ana", "database=lake", "TimeZone=UTC"])
        case "Startup":
            let body = rest.flatMap { word in
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                return Send.text(parts[0]) + Send.text(parts.count > 1 ? parts[1] : "")
            }
            return Send.word(body.count + 9) + Send.word(196_608) + body + [0]
        case "Raw": return hex(rest.joined())
        case "Query": return Send.query(first)
        case "Parse":
            let oids = rest.dropFirst(2).compactMap { Int($0) }
            return Send.message(
                "P", Send.text(first) + Send.text(rest[1]) + short(oids.count) + oids.flatMap(Send.word))
        case "Bind": return bind(rest)
        case "Execute":
            return Send.execute(rest.count > 1 ? Int(rest[1]) ?? 0 : 0, portal: first)
        case "Describe", "Close":
            return Send.message(words[0].prefix(1).first ?? "D", Send.text(first + (rest.count > 1 ? rest[1] : "")))
        case "Sync": return Send.sync
        case "Flush": return Send.message("H")
        default: return Send.message("X")
        }
    }

    private static func bind(_ words: [String]) -> [UInt8] {
        var formats: [UInt8] = []
        var values: [UInt8] = []
        var count = 0
        var results: [UInt8] = short(0)
        for word in words.dropFirst(2) {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let value = parts.count > 1 ? parts[1] : ""
            if parts[0] == "results" {
                let names = value.split(separator: ",")
                results = short(names.count) + names.flatMap { short($0 == "binary" ? 1 : 0) }
                continue
            }
            count += 1
            formats += short(parts[0] == "binary" ? 1 : 0)
            if parts[0] == "null" {
                values += Send.word(-1)
            } else {
                let data = parts[0] == "binary" ? hex(value) : Array(value.utf8)
                values += Send.word(data.count) + data
            }
        }
        let head = Send.text(words[0]) + Send.text(words[1])
        return Send.message("B", head + short(count) + formats + short(count) + values + results)
    }

    private static func short(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

    private static func hex(_ digits: String) -> [UInt8] {
        let digits = Array(digits)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }

    // MARK: From the server

    private static let plain: [Character: String] = [
        "1": "ParseComplete", "2": "BindComplete", "3": "CloseComplete", "n": "NoData", "s": "PortalSuspended",
        "I": "EmptyQueryResponse", "K": "BackendKeyData",
    ]

    /// The B line of a message.
    static func line(_ message: Message) -> String {
        if let name = plain[message.kind] { return name }
        var reader = BinaryReader(message.body[...])
        switch message.kind {
        case "R": return "Authentication \(reader.int(4))"
        case "S": return "ParameterStatus \(reader.string()) \(quote(reader.string()))"
        case "Z": return "ReadyForQuery \(String(decoding: message.body, as: UTF8.self))"
        case "C": return "CommandComplete \(quote(reader.string()))"
        case "t":
            let count = reader.int(2)
            return (["ParameterDescription"] + (0..<count).map { _ in "\(reader.int(4))" }).joined(separator: " ")
        case "T":
            let count = reader.int(2)
            let columns = (0..<count).map { _ in
                let name = quote(reader.string())
                _ = reader.int(4)
                _ = reader.int(2)
                let type = "\(reader.int(4)):\(reader.int(2)):\(reader.int(4))"
                return "\(name):\(type):\(reader.int(2) == 1 ? "binary" : "text")"
            }
            return (["RowDescription"] + columns).joined(separator: " ")
        case "D":
            let count = reader.int(2)
            let cells = (0..<count).map { _ in reader.value().map { value($0) } ?? "null" }
            return (["DataRow"] + cells).joined(separator: " ")
        case "E", "N":
            let fields = "SCMDHP".compactMap { code in
                message.field(code).map { "\(code)=" + (code == "C" || code == "P" ? $0 : quote($0)) }
            }
            return ([message.kind == "E" ? "ErrorResponse" : "NoticeResponse"] + fields).joined(separator: " ")
        default: return message.description
        }
    }

    private static func value(_ bytes: ArraySlice<UInt8>) -> String {
        guard bytes.allSatisfy({ (32..<127).contains($0) }) else {
            return "hex=" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        return quote(String(decoding: bytes, as: UTF8.self))
    }

    private static func quote(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
        return "\"" + escaped.replacing("\t", with: "\\t") + "\""
    }
}
