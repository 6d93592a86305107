// CopyData of clients to batches: text, CSV and binary, from pieces that may end anywhere. Hot.
public import Columns
public import Diagnostics

/// Reads the rows of one COPY FROM STDIN. One owner at a time.
public final class CopyDecoder {
    private let format: CopyFormat
    private let fields: [Field]
    private let context: TextParseContext
    private let table: String
    private var bytes: [UInt8] = []
    /// Where the next row begins in `bytes`.
    private var start = 0
    private var builders: [ColumnBuilder] = []
    private var rows = 0
    private var line = 0
    private var isHeaderNext: Bool
    /// The end marker was seen: what follows is passed over.
    private var isEnded = false
    // The fields of the row being read: their bytes, where each ends, and which are NULL or were quoted.
    private var scratch: [UInt8] = []
    private var ends: [Int] = []
    private var nulls: [Bool] = []
    /// Where each cell of a binary row begins.
    private var cellStarts: [Int]

    /// A row longer than this is refused.
    private static let rowBytesMax = 1 << 30

    public init(_ fields: [Field], _ format: CopyFormat, table: String, context: TextParseContext) {
        self.fields = fields
        self.format = format
        self.table = table
        self.context = context
        isHeaderNext = format.hasHeader || format.kind == .binary
        cellStarts = Array(repeating: 0, count: fields.count)
        renew()
    }

    private func renew() {
        builders = fields.map { ColumnBuilder($0.type, capacity: Batch.rowsMax) }
        rows = 0
    }

    /// Adds bytes as they came.
    public func append(_ piece: ArraySlice<UInt8>) {
        guard !isEnded else { return }
        if start > 0 {
            bytes.removeSubrange(..<start)
            start = 0
        }
        bytes.append(contentsOf: piece)
    }

    /// Adds bytes that lie elsewhere, copied.
    public func append(raw piece: UnsafeRawBufferPointer) {
        guard !isEnded else { return }
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        }
        bytes.append(contentsOf: piece)
    }

    /// Returns the next full batch; with `isLast` whatever is left. nil: more bytes are needed, or all is read.
    public func next(isLast: Bool) throws(SQLError) -> Batch? {
        do throws(SQLError) {
            while rows < Batch.rowsMax, !isEnded, try row(isLast) {}
        } catch {
            var named = error
            if named.detail == nil { named.detail = "COPY \(table), line \(line)." }
            throw named
        }
        guard rows == Batch.rowsMax || isLast && rows > 0 else {
            guard bytes.count - start <= CopyDecoder.rowBytesMax else {
                throw SQLError(.programLimitExceeded, "a row of COPY is longer than \(CopyDecoder.rowBytesMax) bytes")
            }
            return nil
        }
        let batch = Batch(builders.map { $0.finish() }, rows: rows)
        renew()
        return batch
    }

    /// Reads one row; false when it is not there completely.
    private func row(_ isLast: Bool) throws(SQLError) -> Bool {
        if format.kind == .binary { return try binaryRow(isLast) }
        guard start < bytes.count else { return false }
        scratch.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        nulls.removeAll(keepingCapacity: true)
        guard let next = format.kind == .csv ? try csvRow(isLast) : try textRow(isLast) else { return false }
        start = next
        line += 1
        guard !isEnded else { return true }
        if isHeaderNext {
            isHeaderNext = false
            try checkHeader()
            return true
        }
        try appendRow()
        return true
    }

    private func checkHeader() throws(SQLError) {
        guard format.matchesHeader else { return }
        guard ends.count == fields.count else {
            throw SQLError(
                SQLState("22P04"),
                "wrong number of fields in header line: got \(ends.count), expected \(fields.count)")
        }
        for (index, field) in fields.enumerated() {
            let name = String(decoding: scratch[(index == 0 ? 0 : ends[index - 1])..<ends[index]], as: UTF8.self)
            guard name == field.name else {
                throw SQLError(
                    SQLState("22P04"),
                    "column name mismatch in header line field \(index + 1): got \"\(name)\", expected \"\(field.name)\""
                )
            }
        }
    }

    /// Turns the fields of a row into values.
    private func appendRow() throws(SQLError) {
        guard ends.count <= fields.count else {
            throw SQLError(SQLState("22P04"), "extra data after last expected column")
        }
        guard ends.count == fields.count else {
            throw SQLError(SQLState("22P04"), "missing data for column \"\(fields[ends.count].name)\"")
        }
        var from = 0
        for index in fields.indices {
            let to = ends[index]
            if nulls[index] {
                builders[index].appendNull()
            } else {
                try append(index, from, to)
            }
            from = to
        }
        rows += 1
    }

    private func append(_ index: Int, _ from: Int, _ to: Int) throws(SQLError) {
        let (builder, type) = (builders[index], fields[index].type)
        let result: Result<Void, SQLError> = scratch.withUnsafeBytes { all in
            let raw = UnsafeRawBufferPointer(rebasing: all[from..<to])
            do throws(SQLError) {
                switch type {
                case .int4: builder.append(try TextParse.int4(raw))
                case .int8: builder.append(try TextParse.int8(raw))
                case .float8: builder.append(try TextParse.float8(raw))
                case .text, .varchar(nil):
                    try CopyDecoder.checkUTF8(raw)
                    builder.append(bytes: raw)
                default:
                    if type.isText { try CopyDecoder.checkUTF8(raw) }
                    builder.append(try TextParse.scalar(raw, as: type, context: context))
                }
                return .success(())
            } catch {
                var named = error
                named.detail = "COPY \(table), line \(line), column \(fields[index].name)."
                return .failure(named)
            }
        }
        try result.get()
    }

    private static func checkUTF8(_ raw: UnsafeRawBufferPointer) throws(SQLError) {
        var isASCII = true
        for byte in raw where byte >= 128 || byte == 0 {
            isASCII = false
            break
        }
        if isASCII { return }
        guard String(validating: raw, as: UTF8.self) != nil, !raw.contains(0) else {
            throw WireText.invalid(Array(raw)[...])
        }
    }

    private func endField(isNull: Bool) {
        ends.append(scratch.count)
        nulls.append(isNull)
    }

    // MARK: - Text

    /// Reads a line of the text format; returns where the next one begins, nil when it is not complete.
    private func textRow(_ isLast: Bool) throws(SQLError) -> Int? {
        var at = start
        var fieldStart = at
        let count = bytes.count
        while true {
            guard at < count else {
                guard isLast else { return nil }
                endText(fieldStart, at)
                return count
            }
            let byte = bytes[at]
            switch byte {
            case 10:
                endText(fieldStart, at)
                return at + 1
            case 13:
                guard at + 1 < count || isLast else { return nil }
                guard at + 1 >= count || bytes[at + 1] == 10 else {
                    throw SQLError(
                        SQLState("22P04"), "literal carriage return found in data",
                        hint: "Use \"\\r\" to represent carriage return.")
                }
                endText(fieldStart, at)
                return min(at + 2, count)
            case format.delimiter:
                endText(fieldStart, at)
                at += 1
                fieldStart = at
            case 92:
                guard at + 1 < count else {
                    guard isLast else { return nil }
                    scratch.append(92)
                    at += 1
                    continue
                }
                if bytes[at + 1] == 46, ends.isEmpty, fieldStart == at {
                    // Backslash and dot alone in a line end the data.
                    guard at + 2 < count || isLast else { return nil }
                    if at + 2 >= count || bytes[at + 2] == 10 || bytes[at + 2] == 13 {
                        isEnded = true
                        return count
                    }
                }
                guard let next = escape(at + 1, isLast) else { return nil }
                at = next
            default:
                scratch.append(byte)
                at += 1
            }
        }
    }

    /// A field is NULL by what was written, before escapes are read.
    private func endText(_ from: Int, _ to: Int) {
        let isNull = to - from == format.null.count && bytes[from..<to].elementsEqual(format.null)
        if isNull { scratch.removeSubrange((ends.last ?? 0)...) }
        endField(isNull: isNull)
    }

    /// Reads what is behind a backslash; returns the place after it.
    private func escape(_ at: Int, _ isLast: Bool) -> Int? {
        let byte = bytes[at]
        switch byte {
        case 98: scratch.append(8)
        case 102: scratch.append(12)
        case 110: scratch.append(10)
        case 114: scratch.append(13)
        case 116: scratch.append(9)
        case 118: scratch.append(11)
        case 48...55:
            var value = 0
            var end = at
            while end < bytes.count, end < at + 3, (48...55).contains(bytes[end]) {
                value = value * 8 + Int(bytes[end] - 48)
                end += 1
            }
            if end == bytes.count, end < at + 3, !isLast { return nil }
            scratch.append(UInt8(truncatingIfNeeded: value))
            return end
        case 120:
            var value = 0
            var end = at + 1
            while end < bytes.count, end < at + 3, let digit = CopyDecoder.hexDigit(bytes[end]) {
                value = value * 16 + digit
                end += 1
            }
            if end == bytes.count, end < at + 3, !isLast { return nil }
            scratch.append(end == at + 1 ? 120 : UInt8(truncatingIfNeeded: value))
            return end
        default: scratch.append(byte)
        }
        return at + 1
    }

    private static func hexDigit(_ byte: UInt8) -> Int? {
        switch byte {
        case 48...57: Int(byte) - 48
        case 97...102: Int(byte) - 87
        case 65...70: Int(byte) - 55
        default: nil
        }
    }

    // MARK: - CSV

    /// Reads a row of CSV, which may have line ends inside quotes.
    private func csvRow(_ isLast: Bool) throws(SQLError) -> Int? {
        var at = start
        var isInQuotes = false
        var wasQuoted = false
        let count = bytes.count
        while true {
            guard at < count else {
                guard isLast else { return nil }
                guard !isInQuotes else { throw SQLError(SQLState("22P04"), "unterminated CSV quoted field") }
                endCSV(wasQuoted)
                return count
            }
            let byte = bytes[at]
            if isInQuotes {
                if byte == format.escape, at + 1 < count || isLast || format.escape != format.quote {
                    guard at + 1 < count || isLast else { return nil }
                    if at + 1 < count, bytes[at + 1] == format.quote || bytes[at + 1] == format.escape {
                        scratch.append(bytes[at + 1])
                        at += 2
                        continue
                    }
                } else if byte == format.escape {
                    return nil
                }
                if byte == format.quote { isInQuotes = false } else { scratch.append(byte) }
                at += 1
                continue
            }
            switch byte {
            case format.quote:
                isInQuotes = true
                wasQuoted = true
                at += 1
            case format.delimiter:
                endCSV(wasQuoted)
                wasQuoted = false
                at += 1
            case 10:
                endCSV(wasQuoted)
                if isEndMarker(at) { isEnded = true }
                return at + 1
            case 13:
                guard at + 1 < count || isLast else { return nil }
                endCSV(wasQuoted)
                if isEndMarker(at) { isEnded = true }
                return at + 1 < count && bytes[at + 1] == 10 ? at + 2 : at + 1
            default:
                scratch.append(byte)
                at += 1
            }
        }
    }

    private func isEndMarker(_ end: Int) -> Bool {
        end - start == 2 && bytes[start] == 92 && bytes[start + 1] == 46
    }

    private func endCSV(_ wasQuoted: Bool) {
        let index = ends.count
        let from = ends.last ?? 0
        let isNullText = scratch.count - from == format.null.count && scratch[from...].elementsEqual(format.null)
        let mayBeNull = index >= format.forceNotNull.count || !format.forceNotNull[index]
        let isForced = index < format.forceNull.count && format.forceNull[index]
        let isNull = isNullText && (isForced || !wasQuoted && mayBeNull)
        if isNull { scratch.removeSubrange(from...) }
        endField(isNull: isNull)
    }

    // MARK: - Binary

    private func binaryRow(_ isLast: Bool) throws(SQLError) -> Bool {
        let left = bytes.count - start
        if isHeaderNext {
            guard left >= 19 else { return try incomplete(isLast && left > 0) }
            guard bytes[start..<start + 11].elementsEqual(CopyFormat.signature) else {
                throw SQLError(SQLState("22P04"), "COPY file signature not recognized")
            }
            var reader = MessageReader(bytes[(start + 11)...])
            _ = try reader.int32()
            let extra = Int(try reader.int32())
            guard extra >= 0 else { throw SQLError(SQLState("22P04"), "invalid COPY file header") }
            guard left >= 19 + extra else { return try incomplete(isLast) }
            start += 19 + extra
            isHeaderNext = false
            return true
        }
        guard left >= 2 else { return try incomplete(isLast && left > 0) }
        var reader = MessageReader(bytes[start...])
        let count = Int16(bitPattern: try reader.uint16())
        if count == -1 {
            isEnded = true
            return true
        }
        line += 1
        guard Int(count) == fields.count else {
            throw SQLError(
                SQLState("22P04"), "row field count is \(count), expected \(fields.count)")
        }
        guard let end = try cells(from: bytes.count - reader.remaining) else { return try again(isLast) }
        for (index, field) in fields.enumerated() {
            do throws(SQLError) {
                try appendCell(index, field.type)
            } catch {
                var named = error
                named.detail = "COPY \(table), line \(line), column \(field.name)."
                throw named
            }
        }
        start = end
        rows += 1
        return true
    }

    /// Finds the cells of a row; returns where the next row begins, nil when this one is not there completely.
    private func cells(from first: Int) throws(SQLError) -> Int? {
        ends.removeAll(keepingCapacity: true)
        nulls.removeAll(keepingCapacity: true)
        var at = first
        for _ in fields {
            guard bytes.count - at >= 4 else { return nil }
            let length = bytes.withUnsafeBytes { Int($0.big(Int32.self, at)) }
            at += 4
            guard length >= -1 else { throw SQLError(SQLState("22P04"), "invalid field size") }
            guard length <= bytes.count - at else { return nil }
            cellStarts[ends.count] = at
            at += max(length, 0)
            ends.append(at)
            nulls.append(length < 0)
        }
        return at
    }

    /// Appends a cell of a binary row. Plain values go straight to the column.
    private func appendCell(_ index: Int, _ type: SQLType) throws(SQLError) {
        let builder = builders[index]
        if nulls[index] { return builder.appendNull() }
        let (from, to) = (cellStarts[index], ends[index])
        switch (type, to - from) {
        case (.int2, 2): builder.append(bytes.withUnsafeBytes { $0.big(Int16.self, from) })
        case (.int4, 4): builder.append(bytes.withUnsafeBytes { $0.big(Int32.self, from) })
        case (.int8, 8): builder.append(bytes.withUnsafeBytes { $0.big(Int64.self, from) })
        case (.float4, 4): builder.append(Float(bitPattern: bytes.withUnsafeBytes { $0.big(UInt32.self, from) }))
        case (.float8, 8): builder.append(Double(bitPattern: bytes.withUnsafeBytes { $0.big(UInt64.self, from) }))
        case (.text, _), (.varchar(nil), _): try appendText(builder, from, to)
        // So many bytes are no more characters.
        case (.varchar(.some(let length)), let count) where count <= length: try appendText(builder, from, to)
        default:
            builder.append(
                try ParameterDecoder.decode(
                    bytes[from..<to], .binary, as: type, number: index + 1, context: context))
        }
    }

    private func appendText(_ builder: ColumnBuilder, _ from: Int, _ to: Int) throws(SQLError) {
        let result: Result<Void, SQLError> = bytes.withUnsafeBytes { all in
            let raw = UnsafeRawBufferPointer(rebasing: all[from..<to])
            do throws(SQLError) {
                try CopyDecoder.checkUTF8(raw)
                builder.append(bytes: raw)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private func again(_ isLast: Bool) throws(SQLError) -> Bool {
        line -= 1
        return try incomplete(isLast)
    }

    private func incomplete(_ isLast: Bool) throws(SQLError) -> Bool {
        guard !isLast else { throw SQLError(SQLState("22P04"), "unexpected EOF in COPY data") }
        return false
    }
}

extension UnsafeRawBufferPointer {
    /// A number in network order.
    fileprivate func big<T: FixedWidthInteger>(_ type: T.Type, _ at: Int) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: at, as: type))
    }
}
