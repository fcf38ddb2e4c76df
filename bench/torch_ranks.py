"""A PyTorch training step on two processes over gloo: GPT-2 form, fp32.

Each process has one thread on a core of its own. Prints one JSON line: tokens/s
of the median step, and the loss.
"""
import argparse
import json
import os
import statistics
import tempfile
import time

import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import torch_cpu

RANKS = 2
WARMUP = 2


class FirstStage(nn.Module):
    def __init__(self, model, layers):
        super().__init__()
        self.token = model.token
        self.position = model.position
        self.layers = model.layers[:layers]

    def forward(self, inputs):
        x = self.token(inputs) + self.position.weight[: inputs.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return x

    def shared(self):
        return self.token.weight


class LastStage(nn.Module):
    """With a copy of its own of the embedding, from which it makes logits."""

    def __init__(self, model, layers):
        super().__init__()
        self.layers = model.layers[layers:]
        self.norm = model.norm
        self.head = model.token

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.head.weight)

    def shared(self):
        return self.head.weight


class DataParallel:
    """DDP or FSDP2: each rank takes its part of the batch."""

    def __init__(self, model, variant):
        if variant == "ddp":
            self.model = DistributedDataParallel(model)
        else:
            mesh = init_device_mesh("cpu", (RANKS,))
            for layer in model.layers:
                fully_shard(layer, mesh=mesh)
            self.model = fully_shard(model, mesh=mesh)
        self.parameters = list(self.model.parameters())

    def gradients(self, inputs, targets):
        rank = distributed.get_rank()
        mine = slice(rank * len(inputs) // RANKS,
                     (rank + 1) * len(inputs) // RANKS)
        loss = self.model(inputs[mine], targets[mine])
        loss.backward()
        return loss

    def clip(self):
        nn.utils.clip_grad_norm_(self.parameters, 1.0)

    @staticmethod
    def loss_of_all(losses):
        return statistics.mean(losses)


class Pipeline:
    """1F1B over two stages; both hold the embedding and add its gradients."""

    def __init__(self, model, microbatches):
        self.is_last = distributed.get_rank() == RANKS - 1
        kind = LastStage if self.is_last else FirstStage
        self.module = kind(model, len(model.layers) // RANKS)
        self.parameters = list(self.module.parameters())
        stage = PipelineStage(self.module, distributed.get_rank(), RANKS,
                              torch.device("cpu"))
        self.schedule = Schedule1F1B(stage, microbatches, self.loss)

    @staticmethod
    def loss(logits, targets):
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def gradients(self, inputs, targets):
        losses = []
        if self.is_last:
            self.schedule.step(target=targets, losses=losses)
        else:
            self.schedule.step(inputs)
        distributed.all_reduce(self.module.shared().grad)
        return torch.stack(losses).mean() if losses else torch.zeros(())

    def clip(self):
        counted = [p for p in self.parameters
                   if not (self.is_last and p is self.module.shared())]
        squares = nn.utils.get_total_norm(
            [p.grad for p in counted]).square()
        distributed.all_reduce(squares)
        nn.utils.clip_grads_with_norm_(self.parameters, 1.0, squares.sqrt())

    @staticmethod
    def loss_of_all(losses):
        return losses[-1]


def make_optimizer(parameters, kind):
    decayed = [p for p in parameters if p.dim() >= 2]
    others = [p for p in parameters if p.dim() < 2]
    return torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1},
         {"params": others, "weight_decay": 0.0}],
        lr=3e-4, betas=(0.9, 0.95), **{kind: True})


def measure(run, args):
    """Seconds of each step after the warm-up, and the last loss."""
    vocab, _, batch, sequence = torch_cpu.MODELS[args.model][3:]
    optimizer = make_optimizer(run.parameters, args.optimizer)
    seconds = []
    for _ in range(WARMUP + args.steps):
        tokens = torch.randint(0, vocab, (batch, sequence + 1))
        inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        distributed.barrier()
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = run.gradients(inputs, targets)
        run.clip()
        optimizer.step()
        loss = loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds[WARMUP:], loss


def work(rank, args, meeting):
    os.sched_setaffinity(0, {args.cores[rank]})
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=f"file://{meeting}",
                                   rank=rank, world_size=RANKS)
    torch.manual_seed(1)
    shape = torch_cpu.MODELS[args.model]
    layers, heads, width, vocab, context, batch, sequence = shape
    model = torch_cpu.Model(layers, heads, width, vocab, context, False)
    if args.compile:
        for layer in model.layers:
            layer.compile()
    if args.variant == "pipeline":
        run = Pipeline(model, args.microbatches)
    else:
        run = DataParallel(model, args.variant)
    seconds, loss = measure(run, args)
    losses = [None] * RANKS
    distributed.all_gather_object(losses, loss)
    if rank == 0:
        median = statistics.median(seconds)
        print(json.dumps({
            "model": args.model, "variant": args.variant,
            "compile": args.compile, "steps": args.steps,
            "step_ms": median * 1e3, "tokens_per_s": batch * sequence / median,
            "loss": run.loss_of_all(losses),
        }), flush=True)
    # Tearing down gloo under DDP now and then waits for itself for ever.
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=torch_cpu.MODELS, default="small")
    parser.add_argument("--variant", choices=["ddp", "fsdp2", "pipeline"],
                        default="ddp")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--microbatches", type=int, default=16,
                        help="of the pipeline")
    parser.add_argument("--compile", action="store_true",
                        help="compile each layer")
    parser.add_argument("--optimizer", choices=["fused", "foreach"],
                        default="fused")
    parser.add_argument("--cores", type=int, nargs=RANKS,
                        default=sorted(os.sched_getaffinity(0))[:RANKS])
    args = parser.parse_args()
    if len(args.cores) < RANKS:
        parser.error(f"{RANKS} ranks need as many cores, "
                     f"{len(args.cores)} are here")
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, (args, f"{folder}/meeting"), RANKS)


if __name__ == "__main__":
    main()
