"""The matched experiment: plan, run, conclude.

design    factors, levels, baselines, and the steps they ask for
schedule  steps side by side, never twice
steps     what each kind of step does
watch     progress
study     `run_study`
conclude  scores and effects from finished runs (no torch)
handover  what the report is told of training runs (no torch)
"""
