// Names to aggregates. An aggregate's overloads are chosen by the same rules as functions'.
import Columns
import Diagnostics

/// An aggregate settled for the types of a call.
struct AggregateBinding: Sendable {
    var arguments: [SQLType]
    var result: SQLType
    var make: @Sendable () -> any Aggregate
}

/// One declared aggregate.
struct AggregateOverload: Sendable {
    let name: String
    let parameters: [Parameter]
    var optional = 0
    var isOrderSensitive = false
    var ignoresDistinct = false
    let bind: @Sendable (Call) throws(SQLError) -> AggregateBinding

    init(
        _ name: String, _ parameters: [Parameter], optional: Int = 0, isOrderSensitive: Bool = false,
        ignoresDistinct: Bool = false, bind: @escaping @Sendable (Call) throws(SQLError) -> AggregateBinding
    ) {
        self.name = name
        self.parameters = parameters
        self.optional = optional
        self.isOrderSensitive = isOrderSensitive
        self.ignoresDistinct = ignoresDistinct
        self.bind = bind
    }

    /// Declares fixed types.
    init(
        _ name: String, _ parameters: [SQLType], _ result: SQLType, ignoresDistinct: Bool = false,
        _ make: @escaping @Sendable () -> any Aggregate
    ) {
        self.init(name, parameters.map { .type($0) }, ignoresDistinct: ignoresDistinct) { (call) throws(SQLError) in
            var arguments: [SQLType] = []
            for (index, type) in call.types.enumerated() {
                arguments.append(Overload.argument(parameters[index], type))
            }
            return AggregateBinding(arguments: arguments, result: result, make: make)
        }
    }

    /// The same, as the overload rules see it.
    fileprivate var asFunction: Overload {
        Overload(name, parameters, optional: optional) { (_) throws(SQLError) in
            throw SQLError(.internalError, "an aggregate has no kernel")
        }
    }
}

enum AggregateRegistry {
    private static let table: [String: [AggregateOverload]] = Dictionary(
        grouping: CoreAggregates.all + StatisticalAggregates.all + CollectingAggregates.all
            + JSONAggregates.all, by: \.name)

    static func isAggregate(_ name: String) -> Bool { table[name] != nil }

    static func aggregate(
        _ name: String, _ types: [SQLType], _ literals: [Scalar?], _ position: Int?
    ) throws(SQLError) -> BoundAggregate {
        let overloads = table[name] ?? []
        let call = "function \(name)(\(types.map(\.baseName).joined(separator: ", ")))"
        let functions = overloads.map(\.asFunction)
        switch OverloadChoice.choose(functions, types, isOperator: false) {
        case .chosen(let function):
            guard let overload = overloads.first(where: { $0.parameters == function.parameters }) else { break }
            var settled: [SQLType] = []
            for (index, type) in types.enumerated() {
                if type == .unknown, case .type(let wanted) = function.parameter(index) {
                    settled.append(wanted)
                } else {
                    settled.append(type == .unknown ? .text : type)
                }
            }
            let bound: AggregateBinding
            do throws(SQLError) {
                bound = try overload.bind(Call(types: settled, literals: literals, position: position))
            } catch {
                throw error.at(position)
            }
            return BoundAggregate(
                name: name, argumentTypes: bound.arguments, resultType: bound.result,
                isOrderSensitive: overload.isOrderSensitive, ignoresDistinct: overload.ignoresDistinct,
                make: bound.make)
        case .ambiguous:
            throw SQLError(
                .ambiguousFunction, "\(call) is not unique",
                hint: "Could not choose a best candidate function. You might need to add explicit type casts.",
                position: position)
        case .none: break
        }
        throw SQLError(
            .undefinedFunction, "\(call) does not exist",
            hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
            position: position)
    }
}
