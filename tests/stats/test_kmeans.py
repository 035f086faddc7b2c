"""k-means against scikit-learn's inertia, planted centres and the slow nearest neighbour."""

from __future__ import annotations

import weakref
from statistics import median

import pytest
import torch

from lamina.errors import LaminaError
from lamina.stats import kmeans


def blobs(n=6000, p=8, centres=20, spread=0.5, seed=0, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    middle = 3 * torch.randn(centres, p, generator=generator)
    index = torch.randint(centres, (n,), generator=generator)
    return middle[index] + spread * torch.randn(n, p, generator=generator) + offset, index


def inertia(x, clusters):
    return float((x - clusters.centres[clusters.assign(x)]).square().sum(1).mean())


@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_inertia_as_low_as_scikit_learns(spread):
    from sklearn.cluster import KMeans

    x, _ = blobs(spread=spread)
    found = [kmeans.fit(x, 20, seed=seed) for seed in range(5)]
    best = [KMeans(20, n_init=1, random_state=seed).fit(x.numpy()).inertia_ / len(x) for seed in range(5)]
    # Any one start may miss a blob; with several starts that is rare.
    assert median(inertia(x, each) for each in found) < 1.01 * median(best)
    assert found[0].inertia == pytest.approx(
        inertia(x, found[0]), rel=2e-3
    )  # that of the round before the last move


def test_more_rows_than_the_sample_are_used_too():
    from sklearn.cluster import KMeans

    x, _ = blobs(n=30_000, spread=3.0)
    found = kmeans.fit(x, 20, seed=1, sample=4000)
    best = KMeans(20, n_init=1, random_state=0).fit(x.numpy()).inertia_ / len(x)
    assert inertia(x, found) < 1.03 * best


def test_clear_blobs_are_found():
    from sklearn.metrics import adjusted_rand_score

    x, index = blobs(spread=0.2)
    assert adjusted_rand_score(index, kmeans.fit(x, 20, seed=0).assign(x)) > 0.99


def test_assignment_is_the_nearest_centre_even_far_from_the_origin():
    x, _ = blobs(n=300, offset=500.0)
    found = kmeans.fit(x, 20, seed=0)
    slow = torch.cdist(x.double(), found.centres.double()).argmin(1)
    assert float((found.assign(x) == slow).double().mean()) > 0.99


def test_the_rows_given_stay_as_they_are():
    x, _ = blobs(n=300, offset=5.0)
    before = x.clone()
    kmeans.fit(x, 5, seed=0)
    kmeans.fit(lambda: x.split(300), 5, seed=0)
    kmeans.fit(x, 5, seed=0, sample=200)
    assert torch.equal(x, before)


def test_batches_from_inference_mode_are_taken():
    x, _ = blobs(n=300)

    def stream():
        with torch.inference_mode():
            yield from (2 * part for part in x.split(70))

    found = kmeans.fit(stream, 5, seed=0, sample=200)
    assert not found.centres.is_inference()


def test_one_seed_one_answer_and_other_seeds_other_starts():
    x, _ = blobs(n=1000, spread=3.0)
    one, again, other = (kmeans.fit(x, 30, seed=seed).centres for seed in (4, 4, 5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_global_generator_is_left_alone():
    x, _ = blobs(n=300)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    kmeans.fit(x, 5, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_repeated_rows_leave_no_centre_without_a_number():
    x = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(20, 1)
    found = kmeans.fit(x, 4, seed=0)
    assert torch.isfinite(found.centres).all()
    assert found.inertia == pytest.approx(0.0, abs=1e-6)


def test_empty_centres_move_to_badly_served_rows():
    x, _ = blobs(n=500, centres=4, spread=0.1)
    start = torch.full((4, 8), 1000.0)
    start[0] = x[0]
    centres, low = kmeans._lloyd(x, start, 20)
    assert float(centres.abs().max()) < 100
    assert low < 0.5 * float((x - x.mean(0)).square().sum(1).mean())


def test_batches_make_a_bounded_uniform_sample():
    rows = torch.arange(5000.0)[:, None]
    kept, seen = kmeans.reservoir(iter(rows.split(333)), 1000, torch.Generator().manual_seed(0))
    assert len(kept) == len(kept.unique()) == 1000
    assert seen == 5000
    assert float(kept.mean()) == pytest.approx(2500, abs=5 * 5000 / 12**0.5 / 1000**0.5)
    few, seen = kmeans.reservoir(iter(rows[:50].split(20)), 1000, torch.Generator().manual_seed(0))
    assert torch.equal(few, rows[:50])
    assert seen == 50


def test_every_row_is_as_likely_to_be_in_the_sample():
    times = torch.zeros(60)
    for seed in range(400):
        kept, _ = kmeans.reservoir(torch.arange(60.0)[:, None].split(7), 15, torch.Generator().manual_seed(seed))
        times[kept[:, 0].long()] += 1
    # Binomial(400, 1/4): a deviation of 8.7
    assert float((times - 100).abs().max()) < 4.5 * 8.7


def test_a_pass_over_a_stream_is_a_lloyd_round_whatever_its_order():
    """From the same centres: the means of all rows' nearest centres, and the inertia beside them."""
    x, _ = blobs(n=20_000, spread=3.0)
    ordered = x[x[:, 0].argsort()]  # as bad an order as can be: speaker after speaker
    before = kmeans.fit(lambda: ordered.split(999), 20, seed=1, sample=4000, passes=0)
    after = kmeans.fit(lambda: ordered.split(999), 20, seed=1, sample=4000, passes=1)
    index = before.assign(x)
    means = torch.stack([x[index == each].mean(0) for each in range(20)])
    assert float((after.centres - means).norm() / means.norm()) < 1e-4
    assert inertia(x, after) < inertia(x, before)
    assert after.inertia == pytest.approx(inertia(x, kmeans.Clusters(means, 0.0)), rel=0.01)


def test_a_stream_is_read_once_more_for_each_pass_and_never_held():
    opened, held = [], []

    def stream():
        opened.append(True)
        for seed in range(40):
            batch = torch.randn(500, 6, generator=torch.Generator().manual_seed(seed))
            held.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(each() is not None for each in held) <= 2

    kmeans.fit(stream, 10, seed=0, sample=1000, passes=2)
    assert len(opened) == 3
    kmeans.fit(stream, 10, seed=0, sample=20_000, passes=2)
    assert len(opened) == 4  # all rows are in the sample: nothing more to learn


def test_batches_cluster_like_the_whole():
    x, _ = blobs()
    found = kmeans.fit(lambda: x.split(700), 20, seed=1)
    assert inertia(x, found) < 1.05 * inertia(x, kmeans.fit(x, 20, seed=1))


def test_a_feature_with_outliers_does_not_hide_the_others():
    """Rows were compared with their nearest centres, though one feature spreads a hundred times as wide."""
    x = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    x[:, 0] *= 100
    found = kmeans.fit(x, 50, seed=0, passes=0)
    index = torch.cdist(x.double(), found.centres.double()).argmin(1)
    means = torch.stack([x[index == each].mean(0) for each in range(50)])
    assert float((means - found.centres).norm(dim=1).mean()) < 0.1  # the rounds have converged
    assert found.inertia == pytest.approx(inertia(x, found), rel=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_finds_what_a_cpu_finds():
    x, _ = blobs(spread=3.0)
    one, other = (kmeans.fit(x, 20, seed=2, device=device) for device in ("cpu", "cuda"))
    assert other.centres.device.type == "cpu"
    assert inertia(x, other) == pytest.approx(inertia(x, one), rel=0.01)


@pytest.mark.parametrize(
    ("x", "said"), [(torch.zeros(3, 2), "3 rows cannot make 4"), (torch.full((9, 2), torch.nan), "not finite")]
)
def test_bad_rows_are_refused(x, said):
    with pytest.raises(LaminaError, match=said):
        kmeans.fit(x, 4, seed=0)


@pytest.mark.parametrize("quick", [True, False])
def test_products_are_torchs_own_where_there_are_no_quick_ones(monkeypatch, quick):
    if not quick:
        monkeypatch.setattr(kmeans, "_onednn", lambda: None)
    generator = torch.Generator().manual_seed(0)
    x, y, add = (torch.randn(*shape, generator=generator) for shape in ((9, 5), (4, 5), (4,)))
    torch.testing.assert_close(kmeans.products(x, y), x @ y.T)
    torch.testing.assert_close(kmeans.products(x, y, add), x @ y.T + add)
