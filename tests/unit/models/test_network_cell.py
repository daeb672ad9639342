import msgspec
import numpy as np
import pytest

from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.models.forecasting.network.cell import Cell, tanh
from eddy.models.forecasting.network.features import INPUTS, SHARED
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.schemas.errors import ModelRefused

WIDTH = 16
INDIVIDUAL = len(INPUTS) - len(SHARED)


def weights_of(arrays, slots_per_day=12):
    kernel, recurrent, bias, output, output_bias = (np.asarray(a, np.float32) for a in arrays)
    return NetworkWeights(
        inputs=INPUTS,
        slots_per_day=slots_per_day,
        kernel=tuple(map(tuple, kernel.tolist())),
        recurrent=tuple(map(tuple, recurrent.tolist())),
        bias=tuple(bias.tolist()),
        output=tuple(output.ravel().tolist()),
        output_bias=float(output_bias.ravel()[0]),
    )


def random_arrays(seed=0, width=WIDTH, size=0.5):
    random = np.random.default_rng(seed)
    shapes = [(len(INPUTS), 4 * width), (width, 4 * width), (4 * width,), (width, 1), (1,)]
    return [random.normal(0, size, shape).astype(np.float32) for shape in shapes]


def random_inputs(steps, count, segments=3, seed=1):
    random = np.random.default_rng(seed)
    individual = random.uniform(-1, 1, (steps, count, INDIVIDUAL)).astype(np.float32)
    shared = random.uniform(-1, 1, (steps, segments, len(SHARED))).astype(np.float32)
    return individual, shared, random.integers(0, segments, count)


def run(weights, individual, shared, segment):
    cell = Cell(weights, len(SHARED))
    h = c = np.zeros((len(segment), weights.width), np.float32)
    answers = []
    for mine, common in zip(individual, shared, strict=True):
        h, c, answer = cell.step(mine, common, segment, h, c)
        answers.append(answer)
    return np.array(answers), h, c


def keras_lstm(arrays):
    from eddy.training.tpv.network import Fitting, _model

    model = _model(Fitting(1, arrays[2].shape[0] // 4, 0, 0.01))
    model.set_weights(arrays)
    return model


@pytest.mark.parametrize("size", [0.3, 1.0])
def test_the_cell_is_keras_lstm(size):
    arrays = random_arrays(size=size)
    individual, shared, segment = random_inputs(60, 40)
    answers, _, _ = run(weights_of(arrays), individual, shared, segment)
    inputs = np.concatenate([individual, shared[:, segment]], axis=2).transpose(1, 0, 2)
    expected = keras_lstm(arrays).predict_on_batch(inputs)[..., 0].T
    assert np.abs(expected).max() > 0.3
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_which_entities_are_taken_together_changes_no_bit():
    weights = weights_of(random_arrays())
    individual, shared, segment = random_inputs(5, 2500)
    answers, h, c = run(weights, individual, shared, segment)
    for rows in (np.array([7]), np.arange(1000, 1100), np.arange(2499, -1, -3)):
        some, some_h, some_c = run(weights, individual[:, rows], shared, segment[rows])
        np.testing.assert_array_equal(some, answers[:, rows])
        np.testing.assert_array_equal(some_h, h[rows])
        np.testing.assert_array_equal(some_c, c[rows])


def test_the_tanh_is_one():
    x = np.linspace(-30, 30, 300_001).astype(np.float32)
    np.testing.assert_allclose(tanh(x), np.tanh(x.astype(np.float64)), atol=5e-7)
    assert np.abs(tanh(x)).max() == 1.0
    assert tanh(np.zeros(1, np.float32))[0] == 0.0


def test_weights_go_through_json_without_loss():
    weights = weights_of(random_arrays(3))
    parameters = BandParameters(network=weights, uses="network")
    artefact = encode_parameters(parameters)
    back = decode_parameters(artefact, BandParameters)
    assert back == parameters
    assert np.array_equal(np.array(back.network.kernel, np.float32), random_arrays(3)[0])


@pytest.mark.parametrize(
    "change",
    [
        {"bias": (0.0,) * 63},
        {"kernel": ((0.0,) * 64,)},
        {"recurrent": ((0.0,) * 64,) * 15},
        {"output_bias": 1e9},
        {"output": ()},
    ],
)
def test_weights_that_do_not_fit_are_refused(change):
    plain = msgspec.to_builtins(weights_of(random_arrays())) | change
    with pytest.raises(ModelRefused):
        decode_parameters(msgspec.json.encode({"network": plain}), BandParameters)


def test_a_champion_that_is_not_there_is_refused():
    with pytest.raises(ModelRefused, match="no network"):
        decode_parameters(b'{"uses":"network"}', BandParameters)
    assert decode_parameters(b'{"coverage":0.9}', BandParameters).network is None
