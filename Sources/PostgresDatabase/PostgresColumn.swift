// A column of a PostgreSQL table: its type here, and how it is read and written in binary.
import Catalogs
import Columns
import Diagnostics
import PostgresClient

/// One column as the server's catalog describes it.
struct PostgresColumn: Sendable, Hashable {
    var name: String
    /// The type its values have here.
    var type: SQLType
    var isNullable: Bool
    /// Whether the server sends values that we read as `type`; otherwise it is asked for their text.
    var isDirect: Bool
    /// The server's name of the type.
    var typeName: String
    /// The value of rows that do not give one, as SQL text.
    var defaultText: String?
    /// Numbers that the server draws (serial, identity) where no value is given.
    var isSerial: Bool
    /// Computed by the server: cannot be written.
    var isGenerated: Bool

    /// Whether rows can be sent in binary.
    var isWritable: Bool { isDirect && !isGenerated }

    /// Whether the server fills it where no row gives a value.
    var isLeftOut: Bool { isSerial || !isDirect && defaultText == nil }

    /// A column of a table that is not made yet.
    init(_ field: Field, defaultText: String? = nil) {
        name = field.name
        type = field.type
        isNullable = field.isNullable
        isDirect = true
        typeName = field.type.name
        self.defaultText = defaultText
        isSerial = false
        isGenerated = false
    }

    /// Reads a row of ``query``.
    init(_ rows: PostgresRows, _ row: Int) throws(SQLError) {
        name = try rows.required(rows.text(row, 0))
        typeName = try rows.required(rows.text(row, 4))
        let kind = rows.text(row, 5)
        var oid = try rows.required(rows.int(row, 1))
        var modifier = try rows.required(rows.int(row, 2))
        if kind == "d" { (oid, modifier) = (try rows.required(rows.int(row, 6)), rows.int(row, 7) ?? -1) }
        let element = rows.int(row, 8) ?? 0
        if let known = PostgresColumn.type(oid, modifier) {
            (type, isDirect) = (known, true)
        } else if element != 0, let known = PostgresColumn.type(element, modifier) {
            (type, isDirect) = (.array(known), true)
        } else {
            // The labels of an enum travel as they are.
            (type, isDirect) = (.text, kind == "e")
        }
        isNullable = rows.bool(row, 3) != true
        isGenerated = rows.text(row, 9) == "s"
        let text = rows.text(row, 11)
        isSerial = rows.text(row, 10) != "" || text?.hasPrefix("nextval(") == true
        defaultText = isSerial || isGenerated ? nil : text
    }

    /// Columns of the table whose OID is $1.
    static let query = """
        SELECT a.attname::text, a.atttypid::bigint, a.atttypmod::bigint, a.attnotnull,
            format_type(a.atttypid, a.atttypmod), t.typtype::text, t.typbasetype::bigint, t.typtypmod::bigint,
            CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END, a.attgenerated::text,
            a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """

    /// Types whose binary form is read here.
    private static func type(_ oid: Int64, _ modifier: Int64) -> SQLType? {
        switch oid {
        case 16: .boolean
        case 17: .bytea
        case 20: .int8
        case 21: .int2
        case 23: .int4
        case 19, 25: .text
        case 114: .json
        case 700: .float4
        case 701: .float8
        case 1042: modifier >= 5 ? .char(Int(modifier - 4)) : .text
        case 1043: .varchar(modifier >= 5 ? Int(modifier - 4) : nil)
        case 1082: .date
        case 1083: .time
        case 1114: .timestamp
        case 1184: .timestamptz
        case 1186: .interval
        case 1700: numeric(modifier)
        case 2950: .uuid
        case 3802: .jsonb
        default: nil
        }
    }

    private static func numeric(_ modifier: Int64) -> SQLType {
        let precision = Int(modifier - 4) >> 16
        // Eleven bits with a sign.
        let scale = (Int(modifier - 4) & 0x7ff ^ 1_024) - 1_024
        guard modifier >= 4, (1...SQLType.precisionMax).contains(precision), (0...precision).contains(scale) else {
            return .numeric
        }
        return .decimal(precision: precision, scale: scale)
    }
}
