"""Quantum computing: circuits, statevectors and a small variational model, with Qiskit.

Like the paper's Qiskit: 85 cells, 1 MB of data, 46 s there; a tour of the library in many short cells, with
one object that nothing can serialize (a generator of circuits), as there.
"""

# %% parameters
SCALE = 1.0

# %%
import itertools
import math

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import QFTGate, efficient_su2, real_amplitudes
from qiskit.circuit.random import random_circuit
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import (
    DensityMatrix,
    Operator,
    SparsePauliOp,
    Statevector,
    entropy,
    partial_trace,
    random_statevector,
    state_fidelity,
)
from qiskit.transpiler import CouplingMap
from qiskit.visualization import plot_histogram
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

# %%
threadpool_limits(1)
SEED = 42
SHOTS = max(256, int(20_000 * SCALE))
rng = np.random.default_rng(SEED)

# %%
# A first circuit: one qubit, one gate
first = QuantumCircuit(1)
first.h(0)
print(first.draw("text"))

# %%
state = Statevector(first)
state.probabilities_dict()

# %%
state.data.round(3)

# %%
# Two qubits, entangled
bell = QuantumCircuit(2, name="bell")
bell.h(0)
bell.cx(0, 1)
print(bell.draw("text"))

# %%
bell_state = Statevector(bell)
bell_state.probabilities_dict()

# %%
Operator(bell).data.round(3)

# %%
sampler = StatevectorSampler(default_shots=SHOTS, seed=SEED)

# %%
measured = bell.copy()
measured.measure_all()
bell_counts = sampler.run([measured]).result()[0].data.meas.get_counts()
bell_counts

# %%
fig_bell, ax = plt.subplots(figsize=(5, 3))
plot_histogram(bell_counts, ax=ax)
fig_bell.tight_layout()

# %%
{key: count / SHOTS for key, count in bell_counts.items()}

# %%
# The four Bell states
bells = {}
for x, z in itertools.product((0, 1), repeat=2):
    circuit = QuantumCircuit(2, name=f"bell {x}{z}")
    if x:
        circuit.x(1)
    if z:
        circuit.x(0)
    circuit.h(0)
    circuit.cx(0, 1)
    bells[circuit.name] = circuit
len(bells)

# %%
pd.DataFrame({name: Statevector(c).data.real.round(3) for name, c in bells.items()}, index=["00", "01", "10", "11"])

# %%
[[round(state_fidelity(Statevector(a), Statevector(b)), 3) for b in bells.values()] for a in bells.values()]

# %%
reduced = partial_trace(bell_state, [1])
entropy(reduced, base=2)


# %%
def ghz(n):
    """All qubits zero, or all one."""
    circuit = QuantumCircuit(n, name=f"ghz {n}")
    circuit.h(0)
    for i in range(n - 1):
        circuit.cx(i, i + 1)
    return circuit


# %%
print(ghz(5).draw("text", fold=100))

# %%
Statevector(ghz(5)).probabilities_dict()

# %% long deterministic
ghz_rows = []
for n in range(2, 19 if SCALE > 0.5 else 11):
    probabilities = Statevector(ghz(n)).probabilities()
    ghz_rows.append({"qubits": n, "depth": ghz(n).depth(), "ends": probabilities[0] + probabilities[-1]})
ghz_table = pd.DataFrame(ghz_rows)
del probabilities
ghz_table.tail()

# %%
ghz_table.describe().round(3)

# %% undo
ghz_table["amplitudes"] = 2 ** ghz_table["qubits"]
ghz_table.pop("ends")
ghz_table.tail(3)

# %%
ghz_table.head()

# %%
# Registers with names
alice, bob = QuantumRegister(2, "alice"), QuantumRegister(1, "bob")
bits = ClassicalRegister(2, "bits")
teleport = QuantumCircuit(alice, bob, bits)
teleport.qregs

# %%
message = random_statevector(2, seed=SEED)
message.data.round(3)

# %%
teleport.initialize(message, alice[0])
teleport.barrier()
teleport.size()

# %%
teleport.h(alice[1])
teleport.cx(alice[1], bob[0])
teleport.barrier()
teleport.size()

# %%
teleport.cx(alice[0], alice[1])
teleport.h(alice[0])
teleport.barrier()
teleport.depth()

# %%
# The corrections, without measuring in between
teleport.cx(alice[1], bob[0])
teleport.cz(alice[0], bob[0])
print(teleport.draw("text", fold=110))

# %%
received = partial_trace(Statevector(teleport.decompose(reps=0)), [0, 1])
state_fidelity(received, message)

# %%
teleport.count_ops()

# %%
# A parameter: interference of one qubit
theta = Parameter("theta")
interferometer = QuantumCircuit(1)
interferometer.h(0)
interferometer.p(theta, 0)
interferometer.h(0)
interferometer.parameters

# %%
angles = np.linspace(0, 2 * np.pi, max(25, int(400 * SCALE)))
bright = np.array([Statevector(interferometer.assign_parameters({theta: a})).probabilities()[0] for a in angles])
bright.min().round(4), bright.max().round(4)

# %%
np.abs(bright - np.cos(angles / 2) ** 2).max()

# %% undo
fig_fringe, ax = plt.subplots(figsize=(6, 3))
ax.plot(angles, bright)
ax.set(xlabel="theta", ylabel="P(0)")
fig_fringe.tight_layout()

# %%
# Noise of counting: the error falls with the root of the shots
shots_table = []
for shots in (64, 256, 1024, 4096):
    counts = sampler.run([measured], shots=shots).result()[0].data.meas.get_counts()
    shots_table.append((shots, abs(counts.get("00", 0) / shots - 0.5), 0.5 / math.sqrt(shots)))
pd.DataFrame(shots_table, columns=["shots", "error", "expected"])


# %%
def oracle(secret):
    """Bernstein-Vazirani: marks the secret string."""
    n = len(secret)
    circuit = QuantumCircuit(n + 1, n)
    circuit.x(n)
    circuit.h(range(n + 1))
    for i, bit in enumerate(reversed(secret)):
        if bit == "1":
            circuit.cx(i, n)
    circuit.h(range(n))
    circuit.measure(range(n), range(n))
    return circuit


# %%
secret = "".join(rng.choice(["0", "1"], 7))
secret

# %%
print(oracle(secret).draw("text", fold=120))

# %%
found = sampler.run([oracle(secret)], shots=1).result()[0].data.c.get_counts()
found, secret in found

# %%
fourier = QuantumCircuit(4, name="fourier")
fourier.append(QFTGate(4), range(4))
fourier.decompose(reps=2).count_ops()

# %%
i, j = np.indices((16, 16))
np.allclose(Operator(fourier).data, np.exp(2j * np.pi * i * j / 16) / 4)


# %%
def phase_estimation(phase, n):
    """The phase of a gate, in n bits."""
    circuit = QuantumCircuit(n + 1, n)
    circuit.x(n)
    circuit.h(range(n))
    for i in range(n):
        circuit.cp(2 * np.pi * phase * 2**i, i, n)
    circuit.append(QFTGate(n).inverse(), range(n))
    circuit.measure(range(n), range(n))
    return circuit


# %%
estimation = sampler.run([phase_estimation(0.3141, 6)]).result()[0].data.c.get_int_counts()
max(estimation, key=estimation.get) / 64

# %%
bits_table = pd.DataFrame({"bits": range(2, 9)})
estimated = []
for n in bits_table["bits"]:
    counts = sampler.run([phase_estimation(0.3141, n)], shots=400).result()[0].data.c.get_int_counts()
    estimated.append(max(counts, key=counts.get) / 2**n)
bits_table["error"] = np.abs(np.array(estimated) - 0.3141)
bits_table


# %%
# Grover's search
def diffuser(n):
    circuit = QuantumCircuit(n, name="diffuser")
    circuit.h(range(n))
    circuit.x(range(n))
    circuit.h(n - 1)
    circuit.mcx(list(range(n - 1)), n - 1)
    circuit.h(n - 1)
    circuit.x(range(n))
    circuit.h(range(n))
    return circuit


# %%
def mark(pattern):
    n = len(pattern)
    circuit = QuantumCircuit(n, name="mark")
    zeros = [i for i, bit in enumerate(reversed(pattern)) if bit == "0"]
    circuit.x(zeros)
    circuit.h(n - 1)
    circuit.mcx(list(range(n - 1)), n - 1)
    circuit.h(n - 1)
    circuit.x(zeros)
    return circuit


# %%
target = "10110"
grover = QuantumCircuit(5)
grover.h(range(5))
success = []
for _ in range(8):
    grover = grover.compose(mark(target)).compose(diffuser(5))
    success.append(Statevector(grover).probabilities_dict()[target])
np.round(success, 3)

# %%
int(np.argmax(success)) + 1, math.floor(math.pi / 4 * math.sqrt(32))

# %%
fig_grover, ax = plt.subplots(figsize=(5, 3))
ax.bar(range(1, 9), success)
ax.set(xlabel="rounds", ylabel="P(found)")
fig_grover.tight_layout()

# %%
# Circuits without end, each a little larger: they are made when they are asked for
circuits = (random_circuit(4 + k % 3, 4 + k // 2, max_operands=2, seed=SEED + k) for k in itertools.count())

# %%
sample = next(circuits)
sample.depth(), sample.size()

# %%
line = CouplingMap.from_line(7)
basis = ["cz", "sx", "rz", "x"]
mapped = transpile(sample, coupling_map=line, basis_gates=basis, optimization_level=3, seed_transpiler=SEED)
mapped.depth(), mapped.count_ops()

# %% long
levels = []
for circuit in itertools.islice(circuits, max(3, int(60 * SCALE))):
    for level in (0, 1, 2, 3):
        built = transpile(circuit, coupling_map=line, basis_gates=basis, optimization_level=level, seed_transpiler=SEED)
        levels.append((circuit.num_qubits, level, circuit.size(), built.depth(), built.count_ops().get("cz", 0)))
levels = pd.DataFrame(levels, columns=["qubits", "level", "size", "depth", "cz"])
levels.head(8)

# %%
by_level = levels.groupby("level")[["depth", "cz"]].mean()
by_level.round(1)

# %%
fig_levels, axes = plt.subplots(1, 2, figsize=(8, 3))
for ax, column in zip(axes, ["depth", "cz"], strict=True):
    levels.boxplot(column=column, by="level", ax=ax)
fig_levels.tight_layout()

# %%
levels[levels["qubits"] == 6].sort_values("cz", ascending=False).head()

# %%
# A chain of spins, cooled down by a variational circuit
N_SPINS = 8 if SCALE > 0.5 else 4
terms = [("ZZ", [i, i + 1], -1.0) for i in range(N_SPINS - 1)] + [("X", [i], -0.8) for i in range(N_SPINS)]
hamiltonian = SparsePauliOp.from_sparse_list(terms, num_qubits=N_SPINS)
hamiltonian.simplify().size

# %%
energies = np.linalg.eigvalsh(hamiltonian.to_matrix())
energies[:4].round(4)

# %%
ansatz = real_amplitudes(N_SPINS, reps=2, entanglement="linear")
ansatz.num_parameters, ansatz.decompose().depth()

# %%
print(ansatz.draw("text", fold=120).single_string()[:900])

# %%
estimator = StatevectorEstimator(seed=SEED)
trace = []


def energy(parameters):
    """One evaluation of the chain's energy, remembered in the trace."""
    value = float(estimator.run([(ansatz, hamiltonian, parameters)]).result()[0].data.evs)
    trace.append(value)
    return value


# %%
start = rng.uniform(-0.4, 0.4, ansatz.num_parameters)
energy(start)

# %% fork long deterministic
vqe = minimize(energy, start, method="COBYLA", options={"maxiter": max(30, int(1000 * SCALE))})
vqe.fun, vqe.nfev

# %%
vqe.fun - energies[0]

# %%
fig_trace, ax = plt.subplots(figsize=(6, 3))
ax.plot(trace, lw=0.8)
ax.axhline(energies[0], color="k", ls=":")
fig_trace.tight_layout()

# %%
ground = Statevector(ansatz.assign_parameters(vqe.x))
spins = [SparsePauliOp.from_sparse_list([("X", [i], 1.0)], N_SPINS) for i in range(N_SPINS)]
magnetization = [ground.expectation_value(spin).real for spin in spins]
np.round(magnetization, 3)

# %%
# Time evolution of the same chain, in Trotter's steps
up = Statevector.from_label("0" * N_SPINS)
evolved = [up]
z_mean = SparsePauliOp.from_sparse_list([("Z", [i], 1 / N_SPINS) for i in range(N_SPINS)], N_SPINS)

# %% long
step = QuantumCircuit(N_SPINS)
for label, where, coefficient in terms:
    angle = 2 * coefficient * 0.1
    step.rzz(angle, *where) if label == "ZZ" else step.rx(angle, *where)
for _ in range(max(10, int(150 * SCALE))):
    evolved.append(evolved[-1].evolve(step))
len(evolved)

# %%
magnetic = np.array([s.expectation_value(z_mean).real for s in evolved])
magnetic[:5].round(4)

# %%
del evolved
fig_evolution, ax = plt.subplots(figsize=(6, 3))
ax.plot(np.arange(len(magnetic)) * 0.1, magnetic)
fig_evolution.tight_layout()

# %% deterministic
# A classifier: points in the plane, inside or outside a ring
N_POINTS = max(12, int(120 * SCALE))
points = rng.uniform(-1, 1, (N_POINTS, 2))
labels = np.where(np.hypot(*points.T) < 0.75, 1.0, -1.0)
labels.mean()

# %%
inputs, weights = ParameterVector("x", 2), ParameterVector("w", 8)
classifier = QuantumCircuit(2)
for layer in range(2):
    for q in range(2):
        classifier.ry(np.pi * inputs[q], q)
        classifier.rz(weights[4 * layer + q], q)
        classifier.ry(weights[4 * layer + 2 + q], q)
    classifier.cx(0, 1)
print(classifier.draw("text", fold=120))

# %%
parity = SparsePauliOp.from_list([("ZI", 1.0)])


def predict(w):
    bound = np.hstack([np.tile(w, (N_POINTS, 1)), points])
    order = [*weights, *inputs]
    table = {tuple(p.name for p in order): bound}
    return estimator.run([(classifier, parity, table)]).result()[0].data.evs


def loss(w):
    return float(np.mean((predict(w) - labels) ** 2))


# %%
w0 = rng.normal(0, 0.5, 8)
loss(w0)

# %% long deterministic
trained = minimize(loss, w0, method="COBYLA", options={"maxiter": max(10, int(45 * SCALE))})
trained.fun

# %%
accuracy = float((np.sign(predict(trained.x)) == labels).mean())
accuracy

# %%
fig_ring, ax = plt.subplots(figsize=(4, 4))
ax.scatter(*points.T, c=labels, cmap="coolwarm", s=12)
fig_ring.tight_layout()

# %%
# Noise by hand: a density matrix that loses its phases
mixed = DensityMatrix(bell_state)
lossy = []
for p in np.linspace(0, 1, 21):
    depolarized = (1 - p) * mixed + p * DensityMatrix(np.eye(4) / 4)
    lossy.append((p, state_fidelity(depolarized, bell_state), entropy(depolarized, base=2)))
noise = pd.DataFrame(lossy, columns=["p", "fidelity", "entropy"])
noise.iloc[::5].round(3)

# %%
expressive = efficient_su2(3, reps=1)
overlaps = [
    state_fidelity(*(Statevector(expressive.assign_parameters(rng.uniform(0, 2 * np.pi, 12))) for _ in range(2)))
    for _ in range(max(20, int(150 * SCALE)))
]
np.mean(overlaps).round(4)

# %%
fig_overlaps, ax = plt.subplots(figsize=(5, 3))
ax.hist(overlaps, bins=20)
fig_overlaps.tight_layout()

# %%
noise["fidelity"].is_monotonic_decreasing, noise["entropy"].is_monotonic_increasing

# %%
last = next(circuits)
last.num_qubits, last.depth()

# %%
summary = pd.Series({"ground state": energies[0], "vqe": vqe.fun, "loss": trained.fun, "accuracy": accuracy})
summary.round(4)
