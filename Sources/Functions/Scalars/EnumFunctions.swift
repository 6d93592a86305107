// enum_first, enum_last, enum_range; and what CHECK constraints and domains are checked by.
import Columns
import Diagnostics

enum EnumFunctions {
    static let all: [Overload] = [
        edge("enum_first") { $0.labels.isEmpty ? nil : 0 },
        edge("enum_last") { $0.labels.isEmpty ? nil : Int64($0.labels.count - 1) },
        Overload("enum_range", [.anyEnum], isStrict: false, canFail: false) { (call) throws(SQLError) in
            let type = try labels(call)
            let all = Scalar(.array(call.types[0]), .array(places(call.types[0], 0..<type.labels.count)))
            return Binding(arguments: call.types, result: all.type) { (_, _, rows) throws(SQLError) in
                Column.constant(all, count: rows)
            }
        },
        Overload("enum_range", [.anyEnum, .anyEnum], isStrict: false, canFail: false) { (call) throws(SQLError) in
            let type = try labels(call)
            let element = call.types[0]
            return Binding(arguments: call.types, result: .array(element)) { (_, a, rows) throws(SQLError) in
                let builder = ColumnBuilder(.array(element), capacity: rows)
                for row in 0..<rows {
                    func place(_ column: Column, _ otherwise: Int) -> Int {
                        if case .int(let value) = column.scalar(row).value { return Int(value) }
                        return otherwise
                    }
                    let (low, high) = (place(a[0], 0), place(a[1], type.labels.count - 1))
                    builder.append(
                        Scalar(.array(element), .array(low <= high ? places(element, low..<high + 1) : [])))
                }
                return builder.finish()
            }
        },
        // value, whether it holds (NULL: it does), the error's message and detail.
        Overload(
            checkName, [.anyElement, .type(.boolean), .type(.text), .type(.text)], volatility: .volatile,
            isStrict: false
        ) { (call) throws(SQLError) in
            Binding(arguments: call.types, result: call.types[0]) { (_, a, rows) throws(SQLError) in
                for row in 0..<rows where a[1].isValid(row) {
                    guard case .bool(false) = a[1].scalar(row).value else { continue }
                    func text(_ column: Column) -> String? {
                        if case .string(let text) = column.scalar(row).value { return text }
                        return nil
                    }
                    let message = text(a[2]) ?? ""
                    let state = message.hasSuffix("does not allow null values") ? SQLState("23502") : SQLState("23514")
                    throw SQLError(state, message, detail: text(a[3]))
                }
                return a[0]
            }
        },
    ]

    static let checkName = "checked_value"

    private static func labels(_ call: Call) throws(SQLError) -> EnumType {
        guard case .enumeration(let type) = call.types[0] else {
            throw SQLError(
                .featureNotSupported, "could not determine actual enum type", position: call.position)
        }
        return type
    }

    private static func places(_ type: SQLType, _ range: Range<Int>) -> [Scalar] {
        range.map { Scalar(type, .int(Int64($0))) }
    }

    private static func edge(_ name: String, _ place: @escaping @Sendable (EnumType) -> Int64?) -> Overload {
        Overload(name, [.anyEnum], isStrict: false, canFail: false) { (call) throws(SQLError) in
            let type = try labels(call)
            let value = Scalar(call.types[0], place(type).map { .int($0) } ?? .null)
            return Binding(arguments: call.types, result: call.types[0]) { (_, _, rows) throws(SQLError) in
                Column.constant(value, count: rows)
            }
        }
    }
}
