"""The first weights of a GPT-2 and the batches of a run, as Cairn draws them.

Both are functions of the run's seed alone, by Philox4x32-10: runtime/random.h,
FillNormal in runtime/kernels.h and runtime/data/sampler.cc have the formulas.
Weights are within a few units in the last place of Cairn's own.
"""
import math

import torch

ORDER_USE, OFFSET_USE = 2, 1
LOW = 0xFFFFFFFF


def philox(seed, counter):
    """Four words, each an int or a tensor of int64, from four such."""
    key = [seed & LOW, seed >> 32 & LOW]
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32 & LOW) ^ counter[1] ^ key[0], b & LOW,
                   (a >> 32 & LOW) ^ counter[3] ^ key[1], a & LOW]
        key = [key[0] + 0x9E3779B9 & LOW, key[1] + 0xBB67AE85 & LOW]
    return counter


def fill_normal(x, deviation, seed, number):
    """Box-Muller over pairs of elements; `number` is the parameter's."""
    pair = torch.arange((x.numel() + 1) // 2, device=x.device)
    words = philox(seed, [pair & LOW, pair >> 32, number, 0])
    u = ((words[0] >> 9).float() + 0.5) * 2.0 ** -23
    turn = (words[1] ^ 0x80000000) - 0x80000000 >> 8  # as signed
    turn = turn.float() * (math.pi * 2.0 ** -23)
    radius = torch.sqrt(-2.0 * torch.log(u)) * deviation
    both = torch.stack((radius * torch.cos(turn), radius * torch.sin(turn)), 1)
    with torch.no_grad():
        x.copy_(both.flatten()[:x.numel()].view_as(x))


def draw_weights(model, seed):
    """Draws torch_cuda.Model's GPT-2, whose other weights are as Cairn's."""
    fill_normal(model.token.weight, 0.02, seed, 0)
    fill_normal(model.position.weight, 0.02, seed, 1)
    residual = 0.02 / math.sqrt(2 * len(model.layers))
    for i, layer in enumerate(model.layers):
        first = 2 + 12 * i  # of the parameters of a block in Cairn's order
        fill_normal(layer.qkv.weight, 0.02, seed, first + 2)
        fill_normal(layer.attention_out.weight, residual, seed, first + 4)
        fill_normal(layer.up.weight, 0.02, seed, first + 8)
        fill_normal(layer.down.weight, residual, seed, first + 10)
        for part in (layer.qkv, layer.attention_out, layer.up, layer.down):
            torch.nn.init.zeros_(part.bias)


def window_of(sample, windows, seed):
    """The sample's window of its epoch: a Feistel network, walked."""
    epoch, window = sample // windows, sample % windows
    half = 1
    while half < 31 and 1 << 2 * half < windows:
        half += 1
    mask = (1 << half) - 1
    while True:
        left, right = window >> half, window & mask
        for turn in range(4):
            word = philox(seed, [right, epoch & LOW, epoch >> 32,
                                 ORDER_USE << 8 | turn])[0]
            left, right = right, left ^ (word & mask)
        window = left << half | right
        if window < windows:
            return window


def sample_start(sample, tokens, sequence, seed):
    """Where in one shard of so many tokens a sample begins."""
    slack = min(max(tokens - 1 - sequence, 0), sequence - 1)
    windows = (tokens - 1 - slack) // sequence
    epoch = sample // windows
    offset = philox(seed, [epoch & LOW, epoch >> 32, 0, OFFSET_USE << 8])[0]
    return (offset % (slack + 1) +
            window_of(sample, windows, seed) * sequence)
