// The text of structs and maps: PostgreSQL's form of composite values, and DuckDB's of maps.

extension TextForm {
    /// Appends `(1,"a b",)`: NULL is nothing between the commas. Fields are quoted where they would not be read back.
    static func append(
        record fields: [Column], _ place: Int, zone: SessionTimeZone, depth: Int, to out: inout [UInt8]
    ) {
        out.append(40)
        for (index, field) in fields.enumerated() {
            if index > 0 { out.append(44) }
            guard field.isValid(place), depth < nestingMax else { continue }
            let start = out.count
            append(field, place, zone: zone, depth: depth + 1, to: &out)
            quoteField(from: start, &out)
        }
        out.append(41)
    }

    /// Appends `{a=1, b=NULL}`.
    static func append(
        map entries: Column, _ rows: Range<Int>, zone: SessionTimeZone, depth: Int, to out: inout [UInt8]
    ) {
        out.append(123)
        let places = entries.storage.pointer(Int32.self)
        for row in rows {
            if row > rows.lowerBound { out.append(contentsOf: [44, 32]) }
            let place = Int(places[entries.slot(row)])
            for (index, part) in entries.storage.fields.enumerated() {
                if index > 0 { out.append(61) }
                guard part.isValid(place), depth < nestingMax else {
                    out.append(contentsOf: [78, 85, 76, 76])
                    continue
                }
                let start = out.count
                append(part, place, zone: zone, depth: depth + 1, to: &out)
                quoteElement(from: start, alsoAt: 61, &out)
            }
        }
        out.append(125)
    }

    /// Puts a field of a composite in double quotes when it would not be read back as it is.
    private static func quoteField(from start: Int, _ out: inout [UInt8]) {
        var needsQuotes = start == out.count
        for index in start..<out.count {
            switch out[index] {
            case 34, 92, 40, 41, 44, 32, 9, 10, 11, 12, 13: needsQuotes = true
            default: break
            }
        }
        guard needsQuotes else { return }
        var quoted: [UInt8] = [34]
        quoted.reserveCapacity(out.count - start + 8)
        for index in start..<out.count {
            if out[index] == 34 || out[index] == 92 { quoted.append(out[index]) }
            quoted.append(out[index])
        }
        quoted.append(34)
        out.replaceSubrange(start..., with: quoted)
    }
}
