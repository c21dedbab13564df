# Where pictures, judgements and recordings come from: simulated, or a study's own data.

if STUDY.simulation is not None:

    include: "simulate.smk"

else:

    include: "collect.smk"
