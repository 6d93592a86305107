// One column of a batch as ready-made cells of DataRow: a length and the value's bytes, and where each row's cell is.
// The switch over types runs once a column; the loops inside are over one type. Hot.
import Columns
import Diagnostics
import Glibc

/// Cells of one column. Reused from batch to batch.
final class ColumnCells {
    /// Cells one after the other; cell 0 is NULL.
    private(set) var bytes: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private(set) var count = 0
    /// Where the cell of row i begins.
    private(set) var offsets: UnsafeMutablePointer<Int>
    private var rowsCapacity: Int
    /// Texts and bytea in binary are not copied here: their views, by row, and -1 in `offsets` for valid rows.
    private(set) var isDirect = false
    /// What references print as.
    private let names: (any SystemNames)?

    /// Rows there is room for at first: most results are small.
    private static let rowsFirst = 64
    /// Bytes of the length in front of a value.
    static let headBytes = 4

    init(names: (any SystemNames)? = nil) {
        self.names = names
        capacity = 1024
        bytes = .allocate(capacity: capacity + WireBuffer.slack)
        rowsCapacity = ColumnCells.rowsFirst
        offsets = .allocate(capacity: rowsCapacity)
    }

    deinit {
        bytes.deallocate()
        offsets.deallocate()
    }

    private func begin(rows: Int, bytesEach: Int) {
        if rows > rowsCapacity {
            offsets.deallocate()
            rowsCapacity = rows
            offsets = .allocate(capacity: rows)
        }
        isDirect = false
        count = 0
        room(ColumnCells.headBytes + rows * (ColumnCells.headBytes + bytesEach))
        bytes.storeBig(Int32(-1))
        count = ColumnCells.headBytes
    }

    private func room(_ more: Int) {
        guard capacity - count < more else { return }
        let bytesNeeded = max(count + more, capacity * 2)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: bytesNeeded + WireBuffer.slack)
        memcpy(grown, bytes, count)
        bytes.deallocate()
        bytes = grown
        capacity = bytesNeeded
    }

    /// Makes the cells of a column.
    func fill(
        _ column: Column, rows: Int, _ format: ValueFormat, fourBytes: Bool, zone: SessionTimeZone
    ) throws(SQLError) {
        let isWrapped =
            column.type.isNetwork
            || (format == .binary ? column.type == .jsonb || column.type.isBits : column.type == .bytea)
        if column.physical == .view, !isWrapped {
            return direct(column, rows: rows)
        }
        // A constant has one value; a dictionary that is not larger than the batch is written once, too.
        let source = column.storage
        if column.layout == .constant {
            try values(column, 1, format, fourBytes, zone)
            spread(rows) { _ in 0 }
        } else if column.layout == .dictionary, let dictionary = column.dictionary, dictionary.count <= rows {
            try values(dictionary, dictionary.count, format, fourBytes, zone)
            let codes = column.codes
            spread(rows, validity: column.validityWords) { Int(codes[$0]) }
        } else if column.layout == .dictionary {
            try values(Flatten.flat(column), rows, format, fourBytes, zone)
        } else {
            try values(source, rows, format, fourBytes, zone)
        }
    }

    /// Turns the offsets of distinct values into offsets of rows.
    private func spread(_ rows: Int, validity: UnsafePointer<UInt64>? = nil, _ slot: (Int) -> Int) {
        let made = UnsafeMutablePointer<Int>.allocate(capacity: max(rows, rowsCapacity))
        for row in 0..<rows {
            made[row] = validity.map { Bitmap.get($0, row) } ?? true ? offsets[slot(row)] : 0
        }
        offsets.deallocate()
        offsets = made
        rowsCapacity = max(rows, rowsCapacity)
    }

    private func direct(_ column: Column, rows: Int) {
        begin(rows: rows, bytesEach: 0)
        isDirect = true
        let isConstant = column.layout == .constant
        let isDictionary = column.layout == .dictionary
        let validity = column.validityWords
        for row in 0..<rows {
            let bit = isConstant ? 0 : row
            let isValid = validity.map { Bitmap.get($0, bit) } ?? true
            offsets[row] = !isValid ? -1 : isConstant ? 0 : isDictionary ? Int(column.codes[row]) : row
        }
    }

    /// Writes the value of every valid row with `body`, which returns its length.
    @inline(__always)
    private func each(
        _ column: Column, _ rows: Int, bytesEach: Int, _ body: (Int, UnsafeMutablePointer<UInt8>) -> Int
    ) {
        begin(rows: rows, bytesEach: bytesEach)
        let (bytes, offsets) = (self.bytes, self.offsets)
        var at = count
        if let validity = column.validityWords {
            var row = 0
            while row < rows {
                if Bitmap.get(validity, row) {
                    offsets[row] = at
                    let length = body(row, bytes + (at &+ 4))
                    (bytes + at).storeBig(Int32(truncatingIfNeeded: length))
                    at &+= length &+ 4
                } else {
                    offsets[row] = 0
                }
                row &+= 1
            }
        } else {
            var row = 0
            while row < rows {
                offsets[row] = at
                let length = body(row, bytes + (at &+ 4))
                (bytes + at).storeBig(Int32(truncatingIfNeeded: length))
                at &+= length &+ 4
                row &+= 1
            }
        }
        count = at
    }

    private func values(
        _ column: Column, _ rows: Int, _ format: ValueFormat, _ fourBytes: Bool, _ zone: SessionTimeZone
    ) throws(SQLError) {
        if case .array(.system(let type)) = column.type, type.isReference, format == .text, let names {
            return texts(column, rows) { ColumnCells.listed(column, $0, type, names) }
        }
        if column.physical == .list || column.physical == .row { return try lists(column, rows, format, zone) }
        switch format {
        case .text: text(column, rows, zone)
        case .binary: binary(column, rows, fourBytes)
        }
    }

    private func text(_ column: Column, _ rows: Int, _ zone: SessionTimeZone) {
        switch column.physical {
        case .bool:
            let values = column.pointer(UInt8.self)
            each(column, rows, bytesEach: 1) { TextForm.write(bool: values[$0] != 0, to: $1) }
        case .int16:
            let values = column.pointer(Int16.self)
            each(column, rows, bytesEach: 8) { TextForm.write(int: Int64(values[$0]), to: $1) }
        case .int32:
            let values = column.pointer(Int32.self)
            if column.type == .date {
                let style = zone.style
                each(column, rows, bytesEach: 24) { TextForm.write(date: values[$0], style: style, to: $1) }
            } else if case .enumeration(let labels) = column.type {
                self.labels(column, rows, labels)
            } else {
                each(column, rows, bytesEach: 16) { TextForm.write(int: Int64(values[$0]), to: $1) }
            }
        case .int64: text64(column, rows, zone)
        case .int128:
            let values = column.pointer(Int128.self)
            if case .decimal(_, let scale) = column.type {
                each(column, rows, bytesEach: 48) { TextForm.write(decimal: values[$0], scale: scale, to: $1) }
            } else {
                each(column, rows, bytesEach: 48) { TextForm.write(uuid: values[$0], to: $1) }
            }
        case .float32:
            let values = column.pointer(Float.self)
            let style = zone.style
            each(column, rows, bytesEach: 32) { TextForm.write(float: values[$0], style: style, to: $1) }
        case .float64:
            let values = column.pointer(Double.self)
            let style = zone.style
            each(column, rows, bytesEach: 32) { TextForm.write(double: values[$0], style: style, to: $1) }
        case .numeric:
            let values = column.pointer(Numeric.self)
            each(column, rows, bytesEach: 48) { TextForm.write(numeric: values[$0], to: $1) }
        case .interval:
            let values = column.pointer(Interval.self)
            let style = zone.style
            each(column, rows, bytesEach: TextForm.fixedMax) {
                TextForm.write(interval: values[$0], style: style, to: $1)
            }
        case .view:
            if column.type.isNetwork {
                built(column, rows) { row, out in TextForm.append(column, row, zone: zone, to: &out) }
            } else {
                bytea(column, rows, zone.style)
            }
        case .list, .row: break
        }
    }

    private func text64(_ column: Column, _ rows: Int, _ zone: SessionTimeZone) {
        let values = column.pointer(Int64.self)
        switch column.type {
        case .decimal(_, let scale):
            each(column, rows, bytesEach: 48) { TextForm.write(decimal: values[$0], scale: scale, to: $1) }
        case .time: each(column, rows, bytesEach: 32) { TextForm.write(time: values[$0], to: $1) }
        case .timestamp:
            let style = zone.style
            each(column, rows, bytesEach: 64) { TextForm.write(timestamp: values[$0], style: style, to: $1) }
        case .timestamptz:
            each(column, rows, bytesEach: TextForm.fixedMax) {
                TextForm.write(timestamptz: values[$0], zone: zone, to: $1)
            }
        case .system(.timetz):
            built(column, rows) { row, out in ZonedTime(packed: values[row]).append(to: &out) }
        case .system(let type) where type.isReference: references(column, rows, type)
        default: each(column, rows, bytesEach: 24) { TextForm.write(int: values[$0], to: $1) }
        }
    }

    /// Numbers that print as the names of what they stand for.
    private func references(_ column: Column, _ rows: Int, _ type: SystemType) {
        let values = column.pointer(Int64.self)
        texts(column, rows) { row in
            values[row] == 0 ? "-" : names?.text(of: type, values[row]) ?? String(values[row])
        }
    }

    /// `{a,b}` of an array of such numbers.
    private static func listed(_ column: Column, _ row: Int, _ type: SystemType, _ names: any SystemNames) -> String {
        guard case .array(let items) = column.scalar(row).value else { return "{}" }
        let named = items.map { item -> Scalar in
            guard case .int(let oid) = item.value else { return .null(.text) }
            return .text(oid == 0 ? "-" : names.text(of: type, oid) ?? String(oid))
        }
        return Scalar(.array(.text), .array(named)).outputText() ?? "{}"
    }

    /// Labels are text in both formats.
    private func labels(_ column: Column, _ rows: Int, _ type: EnumType) {
        let values = column.pointer(Int32.self)
        texts(column, rows) { row in type.label(values[row]) }
    }

    private func texts(_ column: Column, _ rows: Int, _ text: (Int) -> String) {
        begin(rows: rows, bytesEach: 0)
        for row in 0..<rows {
            guard column.isValid(row) else {
                offsets[row] = 0
                continue
            }
            let made = Array(text(row).utf8)
            room(made.count + ColumnCells.headBytes)
            offsets[row] = count
            (bytes + count).storeBig(Int32(truncatingIfNeeded: made.count))
            let target = bytes + (count + ColumnCells.headBytes)
            made.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { memcpy(target, base, source.count) }
            }
            count += made.count + ColumnCells.headBytes
        }
    }

    private func binary(_ column: Column, _ rows: Int, _ fourBytes: Bool) {
        switch column.physical {
        case .bool:
            let values = column.pointer(UInt8.self)
            each(column, rows, bytesEach: 1) {
                $1[0] = values[$0]
                return 1
            }
        case .int16:
            let values = column.pointer(Int16.self)
            if fourBytes {
                fixed(column, rows) { UInt32(truncatingIfNeeded: values[$0]) }
            } else {
                fixed(column, rows) { values[$0] }
            }
        case .int32:
            let values = column.pointer(Int32.self)
            if column.type == .date {
                fixed(column, rows) { BinaryForm.date(values[$0]) }
            } else if case .enumeration(let labels) = column.type {
                self.labels(column, rows, labels)
            } else {
                fixed(column, rows) { values[$0] }
            }
        case .int64: binary64(column, rows, fourBytes)
        case .int128:
            let values = column.pointer(Int128.self)
            if case .decimal(_, let scale) = column.type {
                each(column, rows, bytesEach: 56) { BinaryForm.write(decimal: values[$0], scale: scale, to: $1) }
            } else {
                each(column, rows, bytesEach: 16) { BinaryForm.write(uuid: values[$0], to: $1) }
            }
        case .float32:
            let values = column.pointer(UInt32.self)
            fixed(column, rows) { values[$0] }
        case .float64:
            let values = column.pointer(UInt64.self)
            fixed(column, rows) { values[$0] }
        case .numeric:
            let values = column.pointer(Numeric.self)
            each(column, rows, bytesEach: 56) { BinaryForm.write(numeric: values[$0], to: $1) }
        case .interval:
            let values = column.pointer(Interval.self)
            each(column, rows, bytesEach: 16) { BinaryForm.write(interval: values[$0], to: $1) }
        case .view:
            let values = column.pointer(StringView.self)
            if column.type.isBits {
                built(column, rows) { row, out in BinaryForm.append(bits: values[row].string, to: &out) }
            } else if column.type.isNetwork {
                let isNetwork = column.type == .system(.cidr)
                built(column, rows) { row, out in
                    values[row].withBytes { BinaryForm.append(address: $0, isNetwork: isNetwork, to: &out) }
                }
            } else {
                jsonb(column, rows)
            }
        case .list, .row: break
        }
    }

    /// A version byte stands in front of the text.
    private func jsonb(_ column: Column, _ rows: Int) {
        begin(rows: rows, bytesEach: 0)
        let values = column.pointer(StringView.self)
        for row in 0..<rows {
            guard column.isValid(row) else {
                offsets[row] = 0
                continue
            }
            let length = values[row].count + 1
            room(length + ColumnCells.headBytes)
            offsets[row] = count
            (bytes + count).storeBig(Int32(truncatingIfNeeded: length))
            bytes[count + ColumnCells.headBytes] = BinaryForm.jsonbVersion
            values[row].copy(to: bytes + (count + ColumnCells.headBytes + 1))
            count += length + ColumnCells.headBytes
        }
    }

    private func binary64(_ column: Column, _ rows: Int, _ fourBytes: Bool) {
        let values = column.pointer(Int64.self)
        switch column.type {
        case .decimal(_, let scale):
            each(column, rows, bytesEach: 56) { BinaryForm.write(decimal: Int128(values[$0]), scale: scale, to: $1) }
        case .timestamp, .timestamptz: fixed(column, rows) { BinaryForm.timestamp(values[$0]) }
        case .system(.timetz): built(column, rows) { row, out in BinaryForm.append(timetz: values[row], to: &out) }
        case .system: fixed(column, rows) { UInt32(truncatingIfNeeded: values[$0]) }
        default:
            if fourBytes {
                fixed(column, rows) { UInt32(truncatingIfNeeded: values[$0]) }
            } else {
                fixed(column, rows) { values[$0] }
            }
        }
    }

    @inline(__always)
    private func fixed<T: FixedWidthInteger>(_ column: Column, _ rows: Int, _ value: (Int) -> T) {
        each(column, rows, bytesEach: MemoryLayout<T>.size) {
            $1.storeBig(value($0))
            return MemoryLayout<T>.size
        }
    }

    private func bytea(_ column: Column, _ rows: Int, _ style: TimeStyle) {
        let values = column.pointer(StringView.self)
        if style.escapesBytes {
            built(column, rows) { row, made in
                values[row].withBytes { TextForm.append(bytea: $0, style: style, to: &made) }
            }
            return
        }
        begin(rows: rows, bytesEach: 0)
        for row in 0..<rows {
            guard column.isValid(row) else {
                offsets[row] = 0
                continue
            }
            let length = values[row].count * 2 + 2
            room(length + ColumnCells.headBytes)
            offsets[row] = count
            (bytes + count).storeBig(Int32(truncatingIfNeeded: length))
            let target = bytes + (count + ColumnCells.headBytes)
            _ = values[row].withBytes { TextForm.write(bytea: $0, to: target) }
            count += length + ColumnCells.headBytes
        }
    }

    private func lists(
        _ column: Column, _ rows: Int, _ format: ValueFormat, _ zone: SessionTimeZone
    ) throws(SQLError) {
        switch format {
        case .text: built(column, rows) { TextForm.append(column, $0, zone: zone, to: &$1) }
        case .binary:
            try built(column, rows) { (row, made) throws(SQLError) in
                try BinaryForm.append(nested: column, row, zone: zone, to: &made)
            }
        }
    }

    /// Cells whose length is known only when they are built, each in the same array.
    private func built<E: Error>(
        _ column: Column, _ rows: Int, _ append: (Int, inout [UInt8]) throws(E) -> Void
    ) throws(E) {
        begin(rows: rows, bytesEach: 0)
        var made: [UInt8] = []
        for row in 0..<rows {
            guard column.isValid(row) else {
                offsets[row] = 0
                continue
            }
            made.removeAll(keepingCapacity: true)
            try append(row, &made)
            room(made.count + ColumnCells.headBytes)
            offsets[row] = count
            (bytes + count).storeBig(Int32(truncatingIfNeeded: made.count))
            let target = bytes + (count + ColumnCells.headBytes)
            made.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { memcpy(target, base, source.count) }
            }
            count += made.count + ColumnCells.headBytes
        }
    }
}
