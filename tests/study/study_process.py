"""What each process of `test_two_processes_give_the_table_of_one_bit_for_bit` runs."""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator

sys.path.insert(0, str(Path(__file__).parent))

from test_run_resuming import PLAN, data, subject  # noqa: E402

from xaihelpers import study  # noqa: E402

torch.set_num_threads(1)
folder = Path(sys.argv[1])
accelerator = Accelerator(cpu=True)
table = study.run_study([subject()], data(), PLAN, folder, accelerator=accelerator, progress=False)
table.to_parquet(folder / f"table{accelerator.process_index}.parquet")
accelerator.print(f"processes {accelerator.num_processes}")
accelerator.end_training()
