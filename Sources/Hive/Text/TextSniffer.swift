// Finds out how a text file is written: the delimiter, whether there is a header, and the types of the values, as DuckDB
// does. A sample from the beginning tells.

import Columns
import Diagnostics
import Formats
import Foundation
import Functions
import Storage

struct TextSniffer: Sendable {
    let options: TextOptions
    let declared: [Field]
    let stores: any ObjectStore

    /// Reads on a thread of its own: inputs block.
    func shape(of info: ObjectInfo) async throws(SQLError) -> TextShape {
        let outcome: Result<TextShape, SQLError> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                do throws(SQLError) {
                    continuation.resume(returning: .success(try look(info)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try outcome.get()
    }

    private func look(_ info: ObjectInfo) throws(SQLError) -> TextShape {
        let packing = options.packing ?? TextPacking(name: info.path.name)
        return options.kind == .csv ? try csv(info, packing) : try json(info, packing)
    }

    // MARK: - CSV

    private func rows(
        _ info: ObjectInfo, _ packing: TextPacking, _ dialect: CSVDialect, _ count: Int
    ) throws(SQLError) -> [[String?]] {
        try CSVReader(try TextInput(info, in: stores, packing: packing), dialect).texts(count)
    }

    private func csv(_ info: ObjectInfo, _ packing: TextPacking) throws(SQLError) -> TextShape {
        var dialect = options.dialect
        var rows = try rows(info, packing, dialect, TextSniffer.delimiterRows)
        if !options.hasDelimiter {
            var best = TextSniffer.score(rows)
            for other in ["|", ";", "\t"] {
                var candidate = dialect
                candidate.delimiter = Array(other.utf8)[0]
                // Another delimiter may make a quote of a value that has none: that is no candidate.
                guard let found = try? self.rows(info, packing, candidate, TextSniffer.delimiterRows) else { continue }
                let score = TextSniffer.score(found)
                if score > best { (best, dialect, rows) = (score, candidate, found) }
            }
        }
        if rows.count == TextSniffer.delimiterRows {
            rows = try self.rows(info, packing, dialect, min(options.sampleRows, TextSniffer.sampleMax))
        }
        return try shape(rows, dialect)
    }

    /// Records that show the delimiter.
    private static let delimiterRows = 200
    /// A sample is kept in memory.
    private static let sampleMax = 1_000_000

    /// Most values a record, where nine records of ten agree.
    private static func score(_ rows: [[String?]]) -> Int {
        var counts: [Int: Int] = [:]
        for row in rows { counts[row.count, default: 0] += 1 }
        guard let (width, count) = counts.max(by: { ($0.value, $0.key) < ($1.value, $1.key) }) else { return 0 }
        return count * 10 >= rows.count * 9 ? width : 1
    }

    private func shape(_ rows: [[String?]], _ dialect: CSVDialect) throws(SQLError) -> TextShape {
        var shape = TextShape(fields: [], dialect: dialect)
        let given = options.columns.isEmpty ? declared : options.columns
        guard let head = rows.first else {
            shape.fields = given.isEmpty ? [Field("column0", .text)] : given
            return shape
        }
        var guesses = Array(repeating: ValueGuess(), count: head.count)
        for row in rows.dropFirst() {
            for (place, value) in row.enumerated() where place < guesses.count {
                if let value { guesses[place].add(csv: value) }
            }
        }
        shape.hasHeader = options.hasHeader ?? isHeader(head, guesses, given, rows.count)
        if !shape.hasHeader {
            for (place, value) in head.enumerated() { if let value { guesses[place].add(csv: value) } }
        }
        guard given.isEmpty else {
            shape.fields = given
            // Declared columns are found by name where the header has their names.
            shape.isByName =
                shape.hasHeader && options.columns.isEmpty && head.contains { given.position(of: $0 ?? "") != nil }
            return shape
        }
        var taken: Set<String> = []
        for (place, guess) in guesses.enumerated() {
            var name = shape.hasHeader ? head[place] ?? "" : ""
            if place < options.names.count { name = options.names[place] }
            if name.isEmpty { name = "column\(place)" }
            let plain = name
            var number = 1
            while !taken.insert(name.lowercased()).inserted {
                name = "\(plain)_\(number)"
                number += 1
            }
            var type = options.isAllText ? .text : guess.type ?? .text
            if place < options.placedTypes.count { type = options.placedTypes[place] }
            if let known = options.types.position(of: name) { type = options.types[known].type }
            shape.fields.append(Field(name, type))
        }
        for field in options.types where shape.fields.position(of: field.name) == nil {
            throw SQLError(.undefinedColumn, "option \"types\" names \"\(field.name)\", which is no column of the file")
        }
        shape.isByName =
            shape.hasHeader && options.names.isEmpty && Set(head).count == head.count
            && !head.contains { $0 == nil || $0 == "" }
        return shape
    }

    private func isHeader(_ head: [String?], _ guesses: [ValueGuess], _ given: [Field], _ rows: Int) -> Bool {
        if !given.isEmpty {
            if zip(head, given).allSatisfy({ $0?.lowercased() == $1.name.lowercased() }) { return true }
            for (value, field) in zip(head, given) {
                guard let value, !field.type.isText, let read = TextCasts.reader(field.type, isLenient: false) else {
                    continue
                }
                if (try? read(Column.constant(.text(value), count: 1), 1)) == nil { return true }
            }
            return false
        }
        let own = head.map { value -> ValueGuess in
            var guess = ValueGuess()
            if let value { guess.add(csv: value) }
            return guess
        }
        if rows == 1 { return own.allSatisfy { $0.type == .text } }
        for (value, guess) in zip(own, guesses) {
            guard let type = guess.type, type != .text, value.isKnown else { continue }
            var both = guess
            both.merge(value)
            // A whole number is a value of a column of others.
            if both.type == .text { return true }
        }
        return guesses.allSatisfy { ($0.type ?? .text) == .text } && own.allSatisfy { $0.isKnown }
    }

    // MARK: - JSON

    private func json(_ info: ObjectInfo, _ packing: TextPacking) throws(SQLError) -> TextShape {
        let layout: JSONLayout
        if case .given(let given) = options.layout {
            layout = given
        } else {
            layout = try JSONLineReader.layout(of: info, in: stores, packing: packing)
        }
        let reader = try JSONLineReader(
            info, in: stores, packing: packing, layout: layout, skipsWrong: options.ignoresErrors)
        let given = options.columns.isEmpty ? declared : options.columns
        var guess = JSONGuess(depthMax: options.depthMax.map { $0 + (options.hasRecords == false ? 0 : 0) })
        var left = given.isEmpty ? options.sampleRows : min(options.sampleRows, Batch.rowsMax)
        while left > 0, let records = try reader.next(min(left, Batch.rowsMax)) {
            let views = records.column.pointer(StringView.self)
            for row in 0..<records.rows where records.column.isValid(row) {
                views[row].withBytes { guess.add($0) }
            }
            left -= records.rows
        }
        var shape = TextShape(fields: given)
        let found = guess.fields ?? []
        if !given.isEmpty {
            // An unquoted name in SQL has no capital letters; the key may.
            for field in given where !found.contains(where: { $0.name == field.name }) {
                if let place = found.position(of: field.name) { shape.keys[field.name] = found[place].name }
            }
            return shape
        }
        guard options.hasRecords != false, !found.isEmpty else {
            guard options.hasRecords != true else {
                throw SQLError(
                    .invalidParameterValue, "values of \"\(info.path)\" are no objects",
                    hint: "Read with records => false.")
            }
            shape.hasRecords = false
            shape.fields = [Field("json", guess.type)]
            return shape
        }
        var taken: Set<String> = []
        for field in found {
            var name = field.name
            var number = 1
            while !taken.insert(name.lowercased()).inserted {
                name = "\(field.name)_\(number)"
                number += 1
            }
            if name != field.name { shape.keys[name] = field.name }
            shape.fields.append(Field(name, field.type))
        }
        return shape
    }
}
