"""The matched experiment: plan, run, conclude (docs/study.md).

design    factors, levels, units, baselines, claims: the config
check     what is impossible in a design
plan      the steps that a design asks for
step      one run folder to make
estimate  the time, memory and disk that they take
budget    the same, told
power     what its claims could find, from the variances of an earlier run
schedule  steps side by side, never twice
locks     no two processes make one run
steps     what each kind of step does
watch     progress
front     `lamina.run_study`, `lamina.read_study`: what was found, in Python
study     `run_study`, `run_next`
record    ``study.json``, and whether runs are whole (from here on: no torch)
contrasts  effects as weights of cells
outcomes  one number a seed of each model: at its best layer, chosen by others than those that score it, …
effects   differences between encoders, with errors over seeds and speakers
claims    verdicts
handover  what the report is told of training
conclude  scores, effects and verdicts from finished runs
"""
