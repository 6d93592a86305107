// Texts that are kept and read again on other branches: views, and the queries of materialized views.

/// SQL text as the catalog keeps it.
public enum StoredText {
    /// Takes the session's own branch out of names: `"lake@dev".s.t` becomes `"lake".s.t`, so that the text means the
    /// branch on which it is read. Text that cannot be read stays as it is.
    public static func relative(_ text: String, database: String, branch: String) -> String {
        let bytes = Array(text.utf8)
        let spelled: Set<String> = ["\(database)@\(branch)", "\(database)/\(branch)"]
        guard let tokens = try? Lexer.tokens(of: bytes) else { return text }
        var result: [UInt8] = []
        var copied = 0
        for (index, token) in tokens.enumerated() where index + 1 < tokens.count {
            guard case .quotedWord(let name) = token.kind, spelled.contains(name),
                tokens[index + 1].kind == .symbol(".")
            else { continue }
            result += bytes[copied..<token.position]
            result += Array("\"\(database.replacing("\"", with: "\"\""))\"".utf8)
            copied = token.end
        }
        guard copied > 0 else { return text }
        result += bytes[copied...]
        return String(decoding: result, as: UTF8.self)
    }
}
