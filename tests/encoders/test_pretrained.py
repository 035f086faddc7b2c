"""Any transformers encoder: taps as the library's own hidden states, and the same alone as in any batch."""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.encoders.encoder import window_samples
from lamina.encoders.pretrained import PretrainedEncoder
from lamina.errors import LaminaError

# torch's word to WavLM's own attention
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 2),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
WHISPER = {
    "d_model": 24,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "vocab_size": 60,
    "max_source_positions": 50,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
ADAPTED = {"add_adapter": True, "output_hidden_size": 20, "num_adapter_layers": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "hubert-base": ("Hubert", {}),
    "hubert-large": ("Hubert", LARGE),
    "hubert-batch-norm": ("Hubert", {"conv_pos_batch_norm": True}),
    "wav2vec2-base": ("Wav2Vec2", {}),
    "wav2vec2-large": ("Wav2Vec2", LARGE),
    "wav2vec2-adapter": ("Wav2Vec2", ADAPTED),
    "mms": ("Wav2Vec2", LARGE | {"adapter_attn_dim": 8}),
    "wavlm-base": ("WavLM", {}),
    "wavlm-large": ("WavLM", LARGE),
    "unispeech-base": ("UniSpeech", {}),
    "unispeech-sat-base": ("UniSpeechSat", {}),
    "unispeech-sat-large": ("UniSpeechSat", LARGE),
    "data2vec-audio": ("Data2VecAudio", {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 3}),
    "conformer-relative": (
        "Wav2Vec2Conformer",
        {"position_embeddings_type": "relative", "conv_depthwise_kernel_size": 5},
    ),
    "conformer-rotary-large": (
        "Wav2Vec2Conformer",
        {"position_embeddings_type": "rotary", "conv_depthwise_kernel_size": 5, "feat_extract_norm": "layer"},
    ),
    "sew": ("SEW", {"squeeze_factor": 2}),
    "sew-d": ("SEWD", {"squeeze_factor": 2}),
    "w2v-bert": ("Wav2Vec2Bert", {"conv_depthwise_kernel_size": 5}),
    "w2v-bert-adapter": ("Wav2Vec2Bert", {"conv_depthwise_kernel_size": 5} | ADAPTED),
    "whisper": ("Whisper", WHISPER),
}


def build(case: str, **changes: Any) -> Any:
    """A small random model whose weights are large enough for every part of it to matter."""
    import transformers

    family, settings_ = CASES[case]
    kind = getattr(transformers, f"{family}Config")
    config = kind(**((SMALL if family != "Whisper" else {}) | settings_ | changes))
    state = torch.get_rng_state()
    torch.manual_seed(1)
    model = getattr(transformers, f"{family}Model")(config).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.3 * torch.randn_like(parameter)
        else:
            parameter.data *= 1.5
    torch.set_rng_state(state)
    return model


def noise(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(sum(lengths))
    waves = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(waves, lengths, strict=True):
        row[:length] = (0.1 * torch.randn(length, generator=generator).cumsum(0)).sin()
    return waves, torch.tensor(lengths)


def worst_difference(encoder: PretrainedEncoder, lengths: list[int]) -> float:
    """The largest relative difference, over taps and utterances, between alone and in a batch."""
    waves, counts = noise(*lengths)
    together = {states.tap.name: states for states in encoder.states(waves, counts)}
    worst = 0.0
    for index, length in enumerate(lengths):
        for states in encoder.states(waves[index : index + 1, :length], counts[index : index + 1]):
            alone, batched = states.utterance(0), together[states.tap.name].utterance(index)
            assert alone.shape == batched.shape == (states.tap.grid.frames(length), states.tap.width)
            assert float(alone.norm()) > 0
            worst = max(worst, float((alone - batched).norm() / alone.norm()))
    return worst


@pytest.mark.parametrize("case", CASES)
def test_alone_as_in_a_batch(case: str) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=True)
    assert encoder.exact_batches
    assert worst_difference(encoder, [9000, 4007, 2901, 6543, 5999]) < 1e-5


@pytest.mark.parametrize("case", ["hubert-base", "hubert-large", "wavlm-base", "sew", "sew-d", "data2vec-audio"])
def test_alone_as_in_any_batch(case: str) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=False)

    @settings(deadline=None, max_examples=12, derandomize=True)
    @given(lengths=st.lists(st.integers(encoder.least_samples, 4000), min_size=2, max_size=4))
    def check(lengths: list[int]) -> None:
        assert worst_difference(encoder, lengths) < 1e-5

    check()


@pytest.mark.parametrize("case", ["hubert-base", "hubert-large", "sew"])
def test_all_lengths_modulo_the_coarsest_stride(case: str) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=True)
    stride = int(max(tap.grid.stride for tap in encoder.taps))
    assert worst_difference(encoder, [1200 + more for more in range(stride)] + [2000]) < 1e-5


@pytest.mark.parametrize(
    "case", ["hubert-base", "data2vec-audio", "conformer-relative", "sew", "w2v-bert-adapter"]
)
def test_the_library_alone_is_not_exact(case: str) -> None:
    """The oracle bites: without Lamina's mending, padding changes the states of each of these."""
    from lamina.encoders import masked_norm

    encoder = PretrainedEncoder(build(case), case, normalise=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masked_norm, "real_frames", lambda *_: None)
        if case == "sew":
            patch.setattr("lamina.encoders.families.real_frames", _every_frame_real)
        assert worst_difference(encoder, [5000, 3200]) > 1e-3


def _every_frame_real(grid: Any, size: int) -> list[int] | None:
    from lamina.encoders.masked_norm import real_frames

    frames = real_frames(grid, size)
    return None if frames is None else [size] * len(frames)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in {"whisper", "w2v-bert", "w2v-bert-adapter"}]
)
def test_a_single_utterance_is_the_librarys_to_the_bit(case: str) -> None:
    model = build(case)
    waves, lengths = noise(4321)
    with torch.no_grad():
        theirs = copy.deepcopy(model)(waves, output_hidden_states=True)
    ours = {
        states.tap.name: states.values
        for states in PretrainedEncoder(model, case, normalise=False).states(waves, lengths)
    }
    blocks = [name for name in ours if name.startswith("enc") and not name.endswith("norm")]
    assert len(blocks) == 3
    for name, hidden in zip(blocks, theirs.hidden_states[1:], strict=True):
        assert torch.equal(ours[name], hidden), name
    last = list(ours)[-1]
    final = ours[last]
    # SEW pads what an odd frame too many leaves with zeros; that is no frame of its grid.
    assert torch.equal(final, theirs.last_hidden_state[:, : final.shape[1]])


def test_front_is_what_enters_the_encoder() -> None:
    model = build("hubert-base")
    waves, lengths = noise(3000)
    (front,) = PretrainedEncoder(model, "m", normalise=False).states(waves, lengths, ["front"])
    with torch.no_grad():
        expected = model.feature_projection(model.feature_extractor(waves).transpose(1, 2))
    assert torch.equal(front.values, expected)


def test_its_own_forward_pass_stays_what_it_was() -> None:
    for case in ("hubert-base", "sew", "conformer-relative"):
        model = build(case)
        waves, lengths = noise(4000, 2500)
        mask = (torch.arange(4000)[None] < lengths[:, None]).long()
        with torch.no_grad():
            before = model(waves, attention_mask=mask).last_hidden_state
            encoder = PretrainedEncoder(model, case, normalise=False)
            list(encoder.states(waves, lengths))
            after = model(waves, attention_mask=mask).last_hidden_state
        assert torch.equal(before[0], after[0]), case
        if case == "hubert-base":
            assert torch.equal(before, after)
        assert list(model.state_dict()) == list(build(case).state_dict())


def test_grids_of_published_configs() -> None:
    """Real kernels and strides, narrow layers: 20 ms and 40 ms ladders, centred where the windows are."""
    strides = {"conv_kernel": (10, 3, 3, 3, 3, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2)}
    front = {"conv_dim": (8,) * 7, "num_feat_extract_layers": 7, **strides}
    sew = {
        "conv_kernel": (10, 3, 1, 3, 1, 3, 1, 3, 1, 2, 1, 2, 1),
        "conv_stride": (5, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1),
        "conv_dim": (8,) * 13,
        "num_feat_extract_layers": 13,
    }
    half = Fraction(1, 2)
    expected: dict[str, tuple[dict[str, Any], list[tuple[str, Fraction | int, int]]]] = {
        "hubert-base": (
            front,
            [("front", 199 + half, 49), ("enc20.1", 199 + half, 49), ("enc20.3", 199 + half, 49)],
        ),
        "mms": (front, [("enc20.3", 199 + half, 49), ("enc20.norm", 199 + half, 49)]),
        "wav2vec2-adapter": (front, [("adp40.1", 199 + half, 25), ("adp80.2", 199 + half, 13)]),
        "sew": (sew, [("front", 199 + half, 49), ("enc40.1", 359 + half, 24), ("up20", 199 + half, 48)]),
        "sew-d": (sew, [("enc40.3", 359 + half, 24), ("up20", 199 + half, 48)]),
        "w2v-bert-adapter": (
            {},
            [("enc20.1", 279 + half, 49), ("adp40.1", 279 + half, 25), ("adp80.2", 279 + half, 13)],
        ),
        "whisper": ({}, [("front", 0, 50), ("enc20.3", 0, 50), ("enc20.norm", 0, 50)]),
    }
    waves, lengths = noise(16000)
    for case, (changes, rows) in expected.items():
        encoder = PretrainedEncoder(build(case, **changes), case, normalise=True)
        taps = {tap.name: tap for tap in encoder.taps}
        assert [tap.depth for tap in encoder.taps] == list(range(len(encoder.taps)))
        read = {states.tap.name: states for states in encoder.states(waves, lengths)}
        for name, centre, frames in rows:
            assert taps[name].grid.centre == centre, (case, name)
            assert read[name].values.shape[1] == frames, (case, name)


def test_waveforms_are_normalised_as_the_feature_extractor_does() -> None:
    from transformers import Wav2Vec2FeatureExtractor

    model = build("hubert-large")
    waves, lengths = noise(4000, 3000)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    *_, ours = PretrainedEncoder(model, "m", normalise=True).states(0.01 * waves + 0.1, lengths)
    for index, length in enumerate([4000, 3000]):
        wave = (0.01 * waves + 0.1)[index, :length].numpy()
        values = extractor(wave, sampling_rate=16000, return_tensors="pt").input_values
        with torch.no_grad():
            theirs = model(values).last_hidden_state[0]
        torch.testing.assert_close(ours.utterance(index), theirs, atol=1e-4, rtol=1e-4)


def test_whisper_hears_what_its_feature_extractor_gives() -> None:
    from transformers import WhisperFeatureExtractor

    model = build("whisper")
    waves, lengths = noise(9000, 16000)
    values = WhisperFeatureExtractor(chunk_length=1)(
        [waves[0, :9000].numpy(), waves[1].numpy()], sampling_rate=16000, return_tensors="pt"
    ).input_features
    with torch.no_grad():
        theirs = model.get_encoder()(values).last_hidden_state
    *_, ours = PretrainedEncoder(model, "m", normalise=True).states(waves, lengths)
    assert ours.lengths.tolist() == [29, 50]  # ceil(samples / 320)
    torch.testing.assert_close(ours.utterance(0), theirs[0, :29], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.utterance(1), theirs[1], atol=1e-3, rtol=1e-3)
    assert window_samples(PretrainedEncoder(model, "m", normalise=True)) == 16000
    assert window_samples(PretrainedEncoder(build("hubert-base"), "m", normalise=True)) == 0
    with pytest.raises(LaminaError, match="16001 samples, encoder m takes 16000 at once"):
        list(PretrainedEncoder(model, "m", normalise=True).states(*noise(16001)))


def test_w2v_bert_hears_what_its_feature_extractor_gives() -> None:
    from transformers import SeamlessM4TFeatureExtractor

    model = build("w2v-bert")
    waves, lengths = noise(8200, 6000)
    given_ = SeamlessM4TFeatureExtractor()(
        [waves[0].numpy(), waves[1, :6000].numpy()], sampling_rate=16000, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = model(**given_).last_hidden_state
    *_, ours = PretrainedEncoder(model, "m", normalise=True).states(waves, lengths)
    assert ours.lengths.tolist() == given_.attention_mask.sum(1).tolist()
    for index in range(2):
        mine = ours.utterance(index)
        torch.testing.assert_close(mine, theirs[index, : len(mine)], atol=2e-3, rtol=2e-3)


@pytest.fixture(name="encoder")
def _encoder() -> PretrainedEncoder:
    return PretrainedEncoder(build("hubert-base"), "m", normalise=True)


def test_a_reader_may_stop_anywhere(encoder: PretrainedEncoder) -> None:
    reader = encoder.states(*noise(3000))
    assert next(reader).tap.name == "front"
    assert torch.is_grad_enabled()
    reader.close()
    assert not encoder.model.encoder.layers[0]._forward_pre_hooks
    assert not encoder.model.feature_projection._forward_hooks
    assert len(list(encoder.states(*noise(3000)))) == 4


def test_blocks_after_the_last_asked_tap_are_not_run(encoder: PretrainedEncoder) -> None:
    ran = []
    encoder.model.encoder.layers[1].register_forward_hook(lambda *_: ran.append(1))
    encoder.model.encoder.layers[2].register_forward_hook(lambda *_: ran.append(2))
    assert [states.tap.name for states in encoder.states(*noise(3000), ["enc1.25.2", "front"])] == [
        "front",
        "enc1.25.2",
    ]
    assert ran == [1]


def test_one_layers_states_at_a_time(encoder: PretrainedEncoder) -> None:
    reader = encoder.states(*noise(3000))
    next(reader)
    first = weakref.ref(next(reader).values)
    next(reader)
    next(reader)
    assert first() is None


def test_two_readers_of_one_model_do_not_mix(encoder: PretrainedEncoder) -> None:
    one, two = noise(3000, 2000), noise(4000, 3500)
    expected = (
        [states.values for states in encoder.states(*one)],
        [states.values for states in encoder.states(*two)],
    )
    pairs = list(zip(encoder.states(*one), encoder.states(*two), strict=True))
    for index, (left, right) in enumerate(pairs):
        assert torch.equal(left.values, expected[0][index])
        assert torch.equal(right.values, expected[1][index])


def test_an_error_inside_the_model_reaches_the_reader(encoder: PretrainedEncoder) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken layer")

    encoder.model.encoder.layers[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="broken layer"):
        list(encoder.states(*noise(3000)))


def test_states_carry_no_gradient_but_serve_training(encoder: PretrainedEncoder) -> None:
    *_, states = encoder.states(*noise(3000))
    weight = torch.ones(24, requires_grad=True)
    (states.values * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize("normalise", [True, False])
def test_silence_is_finite(normalise: bool) -> None:
    for case in CASES:
        encoder = PretrainedEncoder(build(case), case, normalise=normalise)
        waves, lengths = noise(4000, 3000, 3500)
        waves[1:] = 0
        for states in encoder.states(waves, lengths):
            assert all(states.utterance(index).isfinite().all() for index in range(3)), (case, states.tap.name)


BAD: list[tuple[Callable[[], tuple[torch.Tensor, torch.Tensor]], str]] = [
    (lambda: (torch.zeros(1, 10), torch.tensor([10])), "10 samples, encoder m needs 30"),
    (lambda: (torch.full((1, 3000), math.nan), torch.tensor([3000])), "NaN or infinite"),
    (lambda: (torch.zeros(1, 3000, dtype=torch.int16), torch.tensor([3000])), "divide 16-bit samples by 32768"),
    (lambda: (torch.zeros(1, 2, 3000), torch.tensor([3000])), "average the channels"),
]


@pytest.mark.parametrize(("audio", "says"), BAD)
def test_bad_audio_is_refused(encoder: PretrainedEncoder, audio: Any, says: str) -> None:
    with pytest.raises(LaminaError, match=says):
        list(encoder.states(*audio()))


def test_unknown_taps_and_families_are_refused(encoder: PretrainedEncoder) -> None:
    import transformers

    with pytest.raises(LaminaError, match=r"no tap 'enc20.1'"):
        list(encoder.states(*noise(3000), ["enc20.1"]))
    config = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=5)
    with pytest.raises(LaminaError, match="'bert' is no speech encoder"):
        PretrainedEncoder(transformers.BertModel(config), "m", normalise=True)


def test_the_digest_tells_weights_and_settings_apart() -> None:
    model = build("hubert-base")
    digests = [PretrainedEncoder(model, "m", normalise=normalise).digest for normalise in (True, False)]
    assert PretrainedEncoder(build("hubert-base"), "other name", normalise=True).digest == digests[0]
    model.encoder.layers[2].layer_norm.bias.data[3] += 1e-6
    digests.append(PretrainedEncoder(model, "m", normalise=True).digest)
    digests.append(PretrainedEncoder(build("hubert-base", layer_norm_eps=1e-6), "m", normalise=True).digest)
    assert len(set(digests)) == 4
