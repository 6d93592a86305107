// The file metadata of a Parquet footer: schema elements, row groups, column chunks.
// One pass over the bytes; statistics stay where they are until somebody asks.

import Columns

/// How a column's values are stored (parquet.thrift, Type).
enum PhysicalKind: Int32 {
    case boolean = 0
    case int32, int64, int96, float, double, byteArray, fixed

    /// Bytes of a PLAIN value; 0 when it varies.
    func width(length: Int) -> Int {
        switch self {
        case .boolean, .byteArray: 0
        case .int32, .float: 4
        case .int64, .double: 8
        case .int96: 12
        case .fixed: length
        }
    }
}

/// A node of the schema, as the footer lists it.
struct SchemaElement {
    enum Logical: Equatable {
        case string, map, list, enumeration, date, json, bson, uuid, float16, interval, variant
        case decimal(scale: Int, precision: Int)
        case time(Unit)
        case timestamp(Unit, isUTC: Bool)
        case integer(bits: Int, isSigned: Bool)
    }
    enum Unit { case millis, micros, nanos }

    var name = ""
    var physical: PhysicalKind?
    var length = 0
    var repetition: Int32 = 0
    var children = 0
    var converted: Int32?
    var scale = 0
    var precision = 0
    var id: Int32?
    var logical: Logical?
}

/// A column chunk's facts. Trivial, so that thousands cost nothing.
struct ChunkMeta {
    var physical: Int32 = -1
    var codec: Int32 = 0
    var values: Int64 = 0
    var compressedBytes: Int64 = 0
    var uncompressedBytes: Int64 = 0
    var dataOffset: Int64 = 0
    /// 0: none.
    var dictionaryOffset: Int64 = 0
    var offsetIndexOffset: Int64 = 0
    var offsetIndexBytes: Int32 = 0
    var columnIndexOffset: Int64 = 0
    var columnIndexBytes: Int32 = 0
    var bloomOffset: Int64 = 0
    var bloomBytes: Int32 = 0
    /// Place of the Statistics structure in the footer; -1: none.
    var statisticsAt: Int32 = -1
    /// Whether all data pages refer to the dictionary: then it holds every value there is.
    var isDictionaryOnly = false
    var isEncrypted = false
    var isElsewhere = false

    /// The first byte of the chunk's pages.
    var start: Int64 { dictionaryOffset > 0 && dictionaryOffset < dataOffset ? dictionaryOffset : dataOffset }
}

/// What the footer's bytes say.
struct FileMetadata {
    var elements: [SchemaElement] = []
    var groupRows: [Int64] = []
    var chunks: ContiguousArray<ChunkMeta> = []
    var keyValues: [String: String] = [:]
    var createdBy: String?
    /// By leaf: whether min_value and max_value follow an order that is known.
    var hasKnownOrder: [Bool] = []
    var isSigned = false

    private typealias Kind = ThriftReader.Kind

    /// Reads the metadata; `leaves` chunks in every row group.
    init(_ reader: inout ThriftReader) throws(Damage) {
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            if field.matches(2, Kind.list) {
                let count = try reader.structures()
                elements.reserveCapacity(min(count, reader.remaining / 4))
                for _ in 0..<count { elements.append(try FileMetadata.element(&reader)) }
            } else if field.matches(4, Kind.list) {
                try readGroups(&reader)
            } else if field.matches(5, Kind.list) {
                for _ in 0..<(try reader.structures()) { try readKeyValue(&reader) }
            } else if field.matches(6, Kind.binary) {
                createdBy = try reader.string()
            } else if field.matches(7, Kind.list) {
                for _ in 0..<(try reader.structures()) { hasKnownOrder.append(try FileMetadata.order(&reader)) }
            } else if field.matches(8, Kind.structure) {
                isSigned = true
                try reader.skip(field)
            } else {
                try reader.skip(field)
            }
        }
    }

    private mutating func readKeyValue(_ reader: inout ThriftReader) throws(Damage) {
        var last: Int32 = 0
        var key: String?
        var value = ""
        while let field = try reader.field(after: &last) {
            if field.matches(1, Kind.binary) {
                key = try reader.string()
            } else if field.matches(2, Kind.binary) {
                value = try reader.string()
            } else {
                try reader.skip(field)
            }
        }
        if let key { keyValues[key] = value }
    }

    private static func order(_ reader: inout ThriftReader) throws(Damage) -> Bool {
        var last: Int32 = 0
        var isKnown = false
        while let field = try reader.field(after: &last) {
            if field.id == 1 || field.id == 2 { isKnown = true }
            try reader.skip(field)
        }
        return isKnown
    }

    private static func element(_ reader: inout ThriftReader) throws(Damage) -> SchemaElement {
        var last: Int32 = 0
        var element = SchemaElement()
        while let field = try reader.field(after: &last) {
            if field.isInteger(1) {
                let number = try reader.int32(field)
                guard let kind = PhysicalKind(rawValue: number) else {
                    throw Damage("the schema has an unknown physical type \(number)")
                }
                element.physical = kind
            } else if field.isInteger(2) {
                element.length = Int(try reader.int32(field))
            } else if field.isInteger(3) {
                element.repetition = try reader.int32(field)
                guard (0...2).contains(element.repetition) else {
                    throw Damage("the schema has an unknown repetition type \(element.repetition)")
                }
            } else if field.matches(4, Kind.binary) {
                element.name = try reader.string()
            } else if field.isInteger(5) {
                element.children = Int(try reader.int32(field))
                guard element.children >= 0 else { throw Damage("the schema has a negative number of children") }
            } else if field.isInteger(6) {
                element.converted = try reader.int32(field)
            } else if field.isInteger(7) {
                element.scale = Int(try reader.int32(field))
            } else if field.isInteger(8) {
                element.precision = Int(try reader.int32(field))
            } else if field.isInteger(9) {
                element.id = try reader.int32(field)
            } else if field.matches(10, Kind.structure) {
                element.logical = try logical(&reader)
            } else {
                try reader.skip(field)
            }
        }
        return element
    }

    private static func logical(_ reader: inout ThriftReader) throws(Damage) -> SchemaElement.Logical? {
        var last: Int32 = 0
        var result: SchemaElement.Logical?
        while let field = try reader.field(after: &last) {
            guard field.kind == Kind.structure else {
                try reader.skip(field)
                continue
            }
            switch field.id {
            case 1: result = .string
            case 2: result = .map
            case 3: result = .list
            case 4: result = .enumeration
            case 6: result = .date
            case 12: result = .json
            case 13: result = .bson
            case 14: result = .uuid
            case 15: result = .float16
            case 16: result = .variant
            case 5, 7, 8, 10:
                result = try parameters(&reader, of: field.id)
                continue
            default: break
            }
            try reader.skip(field)
        }
        return result
    }

    /// The parameters of DECIMAL, TIME, TIMESTAMP and INTEGER.
    private static func parameters(
        _ reader: inout ThriftReader, of logical: Int32
    ) throws(Damage) -> SchemaElement.Logical? {
        var last: Int32 = 0
        var numbers = [0, 0]
        var flag = false
        var unit: SchemaElement.Unit?
        while let field = try reader.field(after: &last) {
            if field.isBool(1) || field.isBool(2) {
                flag = field.kind == Kind.yes
            } else if field.isInteger(1) || field.isInteger(2) {
                numbers[Int(field.id) - 1] = Int(try reader.integer(field))
            } else if field.matches(2, Kind.structure) {
                var inner: Int32 = 0
                while let choice = try reader.field(after: &inner) {
                    unit = choice.id == 1 ? .millis : choice.id == 2 ? .micros : choice.id == 3 ? .nanos : nil
                    try reader.skip(choice)
                }
            } else {
                try reader.skip(field)
            }
        }
        switch logical {
        case 5: return .decimal(scale: numbers[0], precision: numbers[1])
        case 7: return unit.map { .time($0) }
        case 8: return unit.map { .timestamp($0, isUTC: flag) }
        default: return .integer(bits: numbers[0], isSigned: flag)
        }
    }

    // MARK: - Row groups

    private mutating func readGroups(_ reader: inout ThriftReader) throws(Damage) {
        let groups = try reader.structures()
        groupRows.reserveCapacity(groups)
        for group in 0..<groups {
            var last: Int32 = 0
            var rows: Int64 = 0
            let before = chunks.count
            while let field = try reader.field(after: &last) {
                if field.matches(1, Kind.list) {
                    let count = try reader.structures()
                    // A real chunk takes far more than 16 bytes, so a false count reserves little.
                    if group == 0 { chunks.reserveCapacity(min(groups * count, reader.remaining / 16)) }
                    for _ in 0..<count { chunks.append(try FileMetadata.chunk(&reader)) }
                } else if field.isInteger(3) {
                    rows = try reader.integer(field)
                } else {
                    try reader.skip(field)
                }
            }
            guard rows >= 0, rows <= Int64(Int32.max) else { throw Damage("row group \(group) has \(rows) rows") }
            guard group == 0 || (chunks.count - before) * group == before else {
                throw Damage("row group \(group) has \(chunks.count - before) columns")
            }
            groupRows.append(rows)
        }
    }

    private static func chunk(_ reader: inout ThriftReader) throws(Damage) -> ChunkMeta {
        var chunk = ChunkMeta()
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.binary): chunk.isElsewhere = try !reader.binary().isEmpty
            case (3, Kind.structure): try column(&reader, &chunk)
            case (4, Kind.int64): chunk.offsetIndexOffset = try reader.integer()
            case (5, Kind.int32): chunk.offsetIndexBytes = try reader.int32(field)
            case (6, Kind.int64): chunk.columnIndexOffset = try reader.integer()
            case (7, Kind.int32): chunk.columnIndexBytes = try reader.int32(field)
            case (8, _):
                chunk.isEncrypted = true
                try reader.skip(field)
            default: try reader.skip(field)
            }
        }
        return chunk
    }

    private static func column(_ reader: inout ThriftReader, _ chunk: inout ChunkMeta) throws(Damage) {
        var last: Int32 = 0
        while let field = try reader.field(after: &last) {
            switch (field.id, field.kind) {
            case (1, Kind.int32): chunk.physical = try reader.int32(field)
            case (2, Kind.list): chunk.isDictionaryOnly = try listsDictionaryOnly(&reader)
            case (4, Kind.int32): chunk.codec = try reader.int32(field)
            case (5, Kind.int64): chunk.values = try reader.integer()
            case (6, Kind.int64): chunk.uncompressedBytes = try reader.integer()
            case (7, Kind.int64): chunk.compressedBytes = try reader.integer()
            case (9, Kind.int64): chunk.dataOffset = try reader.integer()
            case (11, Kind.int64): chunk.dictionaryOffset = try reader.integer()
            case (12, Kind.structure):
                chunk.statisticsAt = Int32(truncatingIfNeeded: reader.at)
                try reader.skip(field)
            case (13, Kind.list): chunk.isDictionaryOnly = try countsDictionaryOnly(&reader)
            case (14, Kind.int64): chunk.bloomOffset = try reader.integer()
            case (15, Kind.int32): chunk.bloomBytes = try reader.int32(field)
            default: try reader.skip(field)
            }
        }
    }

    private static func isDictionary(_ encoding: Int32) -> Bool {
        encoding == PageHeader.Encoding.plainDictionary || encoding == PageHeader.Encoding.rleDictionary
    }

    /// Whether the encodings of a chunk leave no other data pages: those of levels are no data, and a dictionary that is
    /// said to be PLAIN cannot be told from data that is.
    private static func listsDictionaryOnly(_ reader: inout ThriftReader) throws(Damage) -> Bool {
        let (count, kind) = try reader.list()
        var (isAny, isOnly) = (false, true)
        for _ in 0..<count {
            guard kind == Kind.int32 else {
                try reader.skip(kind: kind)
                isOnly = false
                continue
            }
            let encoding = Int32(truncatingIfNeeded: try reader.integer())
            if isDictionary(encoding) {
                isAny = true
            } else if encoding != PageHeader.Encoding.rle, encoding != PageHeader.Encoding.bitPacked {
                isOnly = false
            }
        }
        return isAny && isOnly
    }

    /// The same by the number of pages of each kind and encoding.
    private static func countsDictionaryOnly(_ reader: inout ThriftReader) throws(Damage) -> Bool {
        var (isAny, isOnly) = (false, true)
        for _ in 0..<(try reader.structures()) {
            var (page, encoding, count) = (Int32(-1), Int32(-1), Int32(0))
            var last: Int32 = 0
            while let field = try reader.field(after: &last) {
                switch (field.id, field.kind) {
                case (1, Kind.int32): page = try reader.int32(field)
                case (2, Kind.int32): encoding = try reader.int32(field)
                case (3, Kind.int32): count = try reader.int32(field)
                default: try reader.skip(field)
                }
            }
            let isData = page == PageHeader.Kind.data.rawValue || page == PageHeader.Kind.dataV2.rawValue
            guard isData, count != 0 else { continue }
            if isDictionary(encoding) { isAny = true } else { isOnly = false }
        }
        return isAny && isOnly
    }
}
