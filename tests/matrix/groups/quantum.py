"""Quantum computing: one of the paper's notebooks is of it."""

from __future__ import annotations

from tests.matrix.entry import QUANTUM, library

qiskit = library(QUANTUM, "qiskit")

_CIRCUIT = "from qiskit import QuantumCircuit\nfrom qiskit.circuit import Parameter\nt = Parameter('t'); x = QuantumCircuit(2, 2); x.h(0); x.cx(0, 1); x.rx(t, 0); x.measure([0], [0]);\n"

ENTRIES = (
    qiskit("QuantumCircuit", _CIRCUIT, "x.x(1);", "(x.draw('text').single_string(), x.depth(), x.parameters == {t})"),
    qiskit(
        "Parameter",
        "from qiskit.circuit import Parameter; x = [Parameter('a')]",
        "x.append(x[0] * 2)",
        "list(map(str, x))",
    ),
    qiskit(
        "ParameterVector",
        "from qiskit.circuit import ParameterVector; x = ParameterVector('v', 2)",
        "x.resize(3)",
        "[each.name for each in x]",
    ),
    qiskit(
        "Statevector",
        "from qiskit.quantum_info import Statevector; x = Statevector.from_label('01')",
        "x.data[2] = 1j",
        "x.data.tolist()",
    ),
    qiskit(
        "DensityMatrix",
        "from qiskit.quantum_info import DensityMatrix; x = DensityMatrix.from_label('0')",
        "x.data[1, 1] = 0.5",
        "x.data.tolist()",
    ),
    qiskit(
        "SparsePauliOp",
        "from qiskit.quantum_info import SparsePauliOp; x = SparsePauliOp(['ZZ', 'XI'], [1, 0.5])",
        "x.coeffs[1] = 0.6",
        "x.to_matrix().tolist()",
    ),
    qiskit("Pauli", "from qiskit.quantum_info import Pauli; x = Pauli('XYZ')", "x[0] = 'I'", "x.to_label()"),
    qiskit(
        "Operator",
        "from qiskit.quantum_info import Operator; x = Operator.from_label('X')",
        "x.data[0, 0] = 0.5",
        "x.data.tolist()",
    ),
    qiskit(
        "Clifford",
        "from qiskit.quantum_info import Clifford; x = Clifford.from_label('H')",
        "x = x.compose(Clifford.from_label('S'))",
        "x.to_dict()",
    ),
    qiskit(
        "Gate",
        "from qiskit.circuit.library import RXGate; x = RXGate(0.5)",
        "x.params = [0.7]",
        "(x.params, x.to_matrix().tolist())",
    ),
    qiskit(
        "DAGCircuit",
        _CIRCUIT + "from qiskit.converters import circuit_to_dag, dag_to_circuit; x = circuit_to_dag(x)",
        "x.remove_op_node(x.op_nodes()[0])",
        "[node.name for node in x.op_nodes()]",
        described=False,
    ),
    qiskit(
        "PassManager",
        "from qiskit.transpiler import PassManager; from qiskit.transpiler.passes import Optimize1qGatesDecomposition; x = PassManager([Optimize1qGatesDecomposition(['u'])])",
        "x.append(Optimize1qGatesDecomposition(['rz', 'sx']))",
        "(len(x), str(x.to_flow_controller().tasks and [type(task).__name__ for task in x.to_flow_controller().tasks]))",
        described=False,
    ),
    qiskit(
        "CouplingMap",
        "from qiskit.transpiler import CouplingMap; x = CouplingMap.from_line(3)",
        "x.add_edge(0, 2)",
        "list(x.get_edges())",
        described=False,
    ),
    qiskit(
        "Target",
        "from qiskit.transpiler import Target; from qiskit.circuit.library import XGate; x = Target(num_qubits=2); x.add_instruction(XGate(), {(0,): None})",
        "from qiskit.circuit.library import HGate; x.add_instruction(HGate(), {(1,): None})",
        "(sorted(x.operation_names), x.num_qubits)",
        described=False,
    ),
    qiskit(
        "StatevectorSampler result",
        "from qiskit import QuantumCircuit; from qiskit.primitives import StatevectorSampler; c = QuantumCircuit(1); c.h(0); c.measure_all(); x = StatevectorSampler(seed=1).run([c], shots=20).result()",
        "x.metadata['k'] = 1",
        "(x[0].data.meas.get_counts(), x.metadata)",
    ),
)
