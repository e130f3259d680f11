from .fine_tuning import FineTuning as FineTuning, FineTuningRegressor as FineTuningRegressor
