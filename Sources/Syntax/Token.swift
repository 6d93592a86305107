// Tokens: what the lexer makes of the bytes of SQL text.

/// A token with its place in the text.
struct Token: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// Folded to lower case.
        case word(String)
        case quotedWord(String)
        case integer(String)
        case decimal(String)
        case string(String)
        /// B'101' as b101, X'1F' as x1F.
        case bits(String)
        case parameter(Int)
        /// An operator or a punctuation mark: ( ) [ ] , ; : . :: := => .. or PostgreSQL operator characters.
        case symbol(String)
        case end
    }

    var kind: Kind
    /// 0-based byte offset.
    var position: Int
    /// Past the last byte.
    var end: Int
    /// Which kind of keyword an unquoted word is.
    var keyword: Keywords.Classes = []
}

/// PostgreSQL's keywords that may not name things (gram.y, PostgreSQL 15).
enum Keywords {
    struct Classes: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        static let reserved = Classes(rawValue: 1)
        static let functionOrType = Classes(rawValue: 2)
        static let needsAs = Classes(rawValue: 4)
        static let columnName = Classes(rawValue: 8)
        static let typeWord = Classes(rawValue: 16)
    }

    /// The classes of all words that have any: one look-up per word of a text.
    static let classes: [String: Classes] = {
        var all: [String: Classes] = [:]
        for word in reserved { all[word, default: []].insert(.reserved) }
        for word in functionOrType { all[word, default: []].insert(.functionOrType) }
        for word in needsAs { all[word, default: []].insert(.needsAs) }
        for word in columnName { all[word, default: []].insert(.columnName) }
        for word in typeWords { all[word, default: []].formUnion([.columnName, .typeWord]) }
        return all
    }()

    /// Words that can be no name unless quoted.
    static let reserved: Set<String> = [
        "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast", "check",
        "collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role", "current_time",
        "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except",
        "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in", "initially", "intersect", "into",
        "lateral", "leading", "limit", "localtime", "localtimestamp", "not", "null", "offset", "on", "only", "or",
        "order", "placing", "primary", "qualify", "references", "returning", "select", "session_user", "some",
        "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "when",
        "where", "window", "with",
    ]

    /// Words that can name functions and types, but neither tables nor columns.
    static let functionOrType: Set<String> = [
        "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full", "ilike",
        "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps", "right", "similar",
        "tablesample", "verbose",
    ]

    /// Words that can name columns and tables, but neither functions nor types: they have a grammar of their own.
    static let columnName: Set<String> = [
        "between", "coalesce", "exists", "extract", "greatest", "grouping", "inout", "least", "none", "normalize",
        "nullif", "out", "overlay", "position", "precision", "row", "setof", "substring", "treat", "trim", "values",
    ]

    /// The same, for the types that SQL gives a grammar of their own.
    static let typeWords: Set<String> = [
        "bigint", "bit", "boolean", "char", "character", "dec", "decimal", "float", "int", "integer", "interval",
        "national", "nchar", "numeric", "real", "smallint", "time", "timestamp", "varchar",
    ]

    /// Words of the columnName class that are called like functions.
    static let callable: Set<String> = ["coalesce", "greatest", "grouping", "least", "normalize", "nullif"]

    /// Words that need AS to be a column label.
    static let needsAs: Set<String> = [
        "array", "as", "char", "character", "create", "day", "except", "fetch", "filter", "for", "from", "grant",
        "group", "having", "hour", "intersect", "into", "isnull", "limit", "minute", "month", "notnull", "offset", "on",
        "order", "over", "overlaps", "precision", "qualify", "returning", "second", "to", "union", "varying", "where",
        "window", "with", "within", "without", "year",
    ]

    /// Statements of PostgreSQL that are known and not supported, by first word.
    static let unsupportedStatements: Set<String> = [
        "alter", "analyze", "analyse", "checkpoint", "cluster", "create", "do", "drop", "grant",
        "import", "load", "lock", "merge", "reassign", "reindex", "revoke", "security", "attach",
        "detach", "install", "pragma", "export",
    ]
}

/// The words that SQL keeps for itself, for whoever lists them.
public enum SQLKeywords {
    public struct Keyword: Hashable, Sendable {
        public let word: String
        /// R: reserved; T: may name functions and types; C: may name columns.
        public let code: String
        /// Whether it may be a column label without AS.
        public let isBareLabel: Bool
        public let description: String
    }

    /// In the order of the words.
    public static let all: [Keyword] = Keywords.classes.compactMap { word, classes in
        let isBare = !classes.contains(.needsAs)
        if classes.contains(.reserved) {
            return Keyword(word: word, code: "R", isBareLabel: isBare, description: "reserved")
        }
        if classes.contains(.functionOrType) {
            return Keyword(
                word: word, code: "T", isBareLabel: isBare, description: "reserved (can be function or type name)")
        }
        guard classes.contains(.columnName) else {
            return Keyword(word: word, code: "U", isBareLabel: isBare, description: "unreserved")
        }
        return Keyword(
            word: word, code: "C", isBareLabel: isBare,
            description: "unreserved (cannot be function or type name)")
    }.sorted { $0.word < $1.word }
}
